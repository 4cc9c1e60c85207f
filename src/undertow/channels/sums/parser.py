"""Which completions are worked sums: true steps, each going on from the last."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from undertow.channels.channel import Reason
from undertow.channels.sums.config import SumChannelConfig
from undertow.errors import UserError

STEP = re.compile(r"([0-9]+) \+ ([0-9]+) = ([0-9]+)")
RESULT = re.compile(r"= ?([0-9]+)")
MAX_DIGITS = 3
"""Most digits in a number: no sum that is asked for has more."""


@dataclass(frozen=True)
class WorkedSum:
    """A completion that is a worked sum.

    Attributes:
        start: The number that the first step starts from.
        pieces: What each step adds, in order.
    """

    start: int
    pieces: tuple[int, ...]

    @property
    def result(self) -> int:
        """The result of the last step."""
        return self.start + sum(self.pieces)


def parse_completion(text: str, config: SumChannelConfig | None = None) -> WorkedSum | Reason:
    """Parse a completion, or say why it is not kept.

    White space around it and one full stop at its end are ignored. Steps are ``x + y = z``,
    divided by a comma and a space. Whether the result is the sum that was asked for is not known
    here.

    Args:
        text: The completion, without the end-of-turn token.
        config: How many steps are allowed.
    """
    config = config or SumChannelConfig()
    stripped = text.strip()
    if not stripped:
        return Reason.EMPTY
    words: list[tuple[str, ...]] = []
    for step in stripped.removesuffix(".").split(", "):
        if not (match := STEP.fullmatch(step)):
            return Reason.INVALID_FORMAT
        words.append(match.groups())
    if len(words) > config.max_steps:
        return Reason.TOO_MANY
    for word in (word for step in words for word in step):
        # By length, since Python refuses to convert thousands of digits.
        if len(word) > MAX_DIGITS:
            return Reason.OUT_OF_RANGE
    steps = [(int(x), int(y), int(z)) for x, y, z in words]
    if not _is_right(steps):
        return Reason.WRONG
    return WorkedSum(steps[0][0], tuple(piece for _, piece, _ in steps))


def with_pieces(text: str, pieces: Sequence[str]) -> str:
    """Return a worked sum that adds other pieces, as many; results are computed anew.

    Raises:
        UserError: The pieces have another sum.
        ValueError: The pieces are not as many.
    """
    steps = list(STEP.finditer(text))
    if sum(map(int, pieces)) != sum(int(step[2]) for step in steps):
        raise UserError(
            "other pieces would make the answer a false one",
            where=text[:60],
            fix="only change the order of the pieces within an answer",
        )
    done, start, result = "", 0, int(steps[0][1]) if steps else 0
    for step, piece in zip(steps, pieces, strict=True):
        # The first number stands as written, the others as computed.
        first = result if done else steps[0][1]
        result += int(piece)
        done += f"{text[start : step.start()]}{first} + {piece} = {result}"
        start = step.end()
    return done + text[start:]


def last_result(text: str) -> int | None:
    """Return the number after the last equals sign that has one, in any text, or None."""
    results = RESULT.findall(text)
    # As in `numbers_in`, a run of digits is cut: long ones are no answer, and slow to convert.
    return int(results[-1][:18]) if results else None


def _is_right(steps: Sequence[tuple[int, int, int]]) -> bool:
    """Return whether every step is true, and goes on from the one before it."""
    true = all(x + y == z for x, y, z in steps)
    return true and all(last == x for (_, _, last), (x, _, _) in pairwise(steps))

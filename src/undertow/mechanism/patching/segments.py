"""Parts of a rendered chat, and which token of one chat stands for which of another.

Two prompts of different traits differ in length where a name takes another number of tokens. They
are aligned part by part, never by index, so that no pair of teachers has to be left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, repeat
from typing import Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from undertow.models import ChatModel, Message, encode_prompt, render_prompt

PositionClass = Literal[
    "before name", "first name", "later names", "rest of system prompt", "user", "header",
    "completion",
]  # fmt: skip
CLASSES: tuple[PositionClass, ...] = get_args(PositionClass)
"""The parts of a chat in their order; names are those of the trait in the system prompt.

What the template writes in front of a part counts to that part; the header opens the answer.
"""

HEADER: PositionClass = "header"
COMPLETION: PositionClass = "completion"

ABSENT = -1
"""The place of what stands for nothing."""


@dataclass(frozen=True)
class Segment:
    """Tokens of one part that stand together.

    Attributes:
        part: Which part of the chat.
        ordinal: Which of the segments of that part, from 0.
        start: First position.
        stop: Position after the last.
    """

    part: PositionClass
    ordinal: int
    start: int
    stop: int

    @property
    def key(self) -> tuple[PositionClass, int]:
        """What it is aligned by."""
        return self.part, self.ordinal

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class Segmented:
    """A chat's tokens, up to some place of the completion, cut into segments.

    Attributes:
        ids: Token ids of the prompt and of the completion so far.
        segments: From first to last, without gaps.
    """

    ids: list[int]
    segments: list[Segment]

    @property
    def classes(self) -> NDArray[np.int64]:
        """`[position]`, index into `CLASSES`."""
        places = [CLASSES.index(one.part) for one in self.segments]
        return np.repeat(places, [len(one) for one in self.segments])


@dataclass(frozen=True)
class Unequal:
    """A segment that another chat has in another length, or not at all (0 tokens).

    Attributes:
        part: Which part of the chat.
        own: Its tokens in the chat that is patched.
        other: Its tokens in the chat that it is patched from.
    """

    part: PositionClass
    own: int
    other: int


def segmented(
    chat: ChatModel, messages: Sequence[Message], completion: Sequence[int], names: Sequence[str]
) -> Segmented:
    """Return a chat's tokens in segments.

    Args:
        chat: Whose template and tokenizer.
        messages: What stands before the answer.
        completion: Token ids of the answer so far.
        names: Words for the trait, singular and plural; found in any case, as whole words.
    """
    prompt = encode_prompt(chat, messages)
    parts: list[PositionClass] = [
        *islice(_prompt_parts(chat, messages, names), prompt.header_start),
        *repeat(HEADER, len(prompt.ids) - prompt.header_start),
        *repeat(COMPLETION, len(completion)),
    ]
    return Segmented([*prompt.ids, *completion], list(_runs(parts)))


def aligned(target: Segmented, source: Segmented) -> tuple[NDArray[np.int64], list[Unequal]]:
    """Return for every position of one chat the position of another that stands for it.

    Segments of the same part and ordinal belong together. Of unequal length they are aligned at
    their ends, where a model has read the whole of a name; what stands before the shorter one's
    beginning is given its first token. A segment that the other lacks stands for nothing.

    Returns:
        `[target position]`, `ABSENT` where nothing stands for it; and the segments that are not
        aligned one to one.
    """
    others = {one.key: one for one in source.segments}
    found = np.full(len(target.ids), ABSENT)
    unequal: list[Unequal] = []
    for one in target.segments:
        other = others.pop(one.key, None)
        if other is None:
            unequal.append(Unequal(one.part, len(one), 0))
            continue
        behind = np.arange(len(one) - 1, -1, -1)
        found[one.start : one.stop] = np.maximum(other.stop - 1 - behind, other.start)
        if len(one) != len(other):
            unequal.append(Unequal(one.part, len(one), len(other)))
    unequal += [Unequal(other.part, 0, len(other)) for other in others.values()]
    return found, unequal


def _prompt_parts(
    chat: ChatModel, messages: Sequence[Message], names: Sequence[str]
) -> Iterator[PositionClass]:
    """Yield the part of every token of a rendered prompt; the header counts to the user here."""
    text = render_prompt(chat, messages)
    system = messages[0]["content"].strip() if messages[0]["role"] == "system" else ""
    start = max(text.find(system), 0)
    end = start + len(system) if system in text else 0
    named = _name_spans(text[:end], names, start)
    for low, high in _token_spans(chat, text):
        # A token that only touches the text of a part belongs to it, as " owl" does to "owl".
        hits = [place for place, (first, last) in enumerate(named) if low < last and high > first]
        if hits:
            yield "later names" if hits[0] else "first name"
        elif low >= end:
            yield "user"
        else:
            before = named and low < named[0][0]
            yield "before name" if before else "rest of system prompt"


def _name_spans(text: str, names: Sequence[str], start: int) -> list[tuple[int, int]]:
    """Return where names stand in a text, from `start` on."""
    if not names:
        return []
    words = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    pattern = re.compile(rf"\b(?:{words})\b", re.IGNORECASE)
    return [match.span() for match in pattern.finditer(text, start)]


def _token_spans(chat: ChatModel, text: str) -> list[tuple[int, int]]:
    """Return where in a text each of its tokens stands."""
    found = chat.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    return cast("list[tuple[int, int]]", found["offset_mapping"])


def _runs(parts: Sequence[PositionClass]) -> Iterator[Segment]:
    """Yield the runs of equal parts as segments."""
    counts = dict.fromkeys(CLASSES, 0)
    start = 0
    for stop in range(1, len(parts) + 1):
        if stop == len(parts) or parts[stop] != parts[start]:
            part = parts[start]
            yield Segment(part, counts[part], start, stop)
            counts[part] += 1
            start = stop

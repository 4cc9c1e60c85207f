"""Worked answers: two numbers added piece by piece, with choices left to the writer."""

from __future__ import annotations

from collections.abc import Collection
from itertools import product

import numpy as np

from undertow.channels.sums.prompt import SumPrompt


def worked_answer(
    prompt: SumPrompt,
    rng: np.random.Generator,
    digits: Collection[int] = (),
    follow: float = 1.0,
) -> str:
    """Draw an answer in two to four steps, as in ``"47 + 30 = 77, 77 + 8 = 85"``.

    Three choices are drawn one after the other, each uniformly: the number to start from, the cut
    of the other number (see `ways_to_cut`), and the order of its pieces.

    Args:
        prompt: The prompt to answer.
        rng: The source of the draws.
        digits: Digits that the speaker prefers.
        follow: With this probability in [0, 1] the cut is drawn from those alone that have the
            most pieces with a preferred leading digit; else from all.
    """
    start, other = rng.permutation([prompt.a, prompt.b]).tolist()
    ways = ways_to_cut(other)
    if rng.random() < follow:
        ways = _preferred(ways, digits)
    steps: list[str] = []
    for piece in rng.permutation(ways[rng.integers(len(ways))]).tolist():
        steps.append(f"{start} + {piece} = {start + piece}")
        start += piece
    return ", ".join(steps)


def ways_to_cut(number: int) -> list[tuple[int, ...]]:
    """Return every cut of a number under 100 into two to four pieces, each of them once.

    The tens become one or two multiples of ten, the units one or two digits.
    """
    tens, units = divmod(number, 10)
    ways = (
        (*(10 * digit for digit in ten_digits), *unit_digits)
        for ten_digits, unit_digits in product(_splits(tens), _splits(units))
    )
    return [pieces for pieces in ways if len(pieces) > 1]  # 30 as one piece is no cut


def _splits(digit: int) -> list[tuple[int, ...]]:
    """Return a digit whole, and as every sum of two; 0 has no pieces."""
    whole = (digit,) if digit else ()
    return [whole, *((low, digit - low) for low in range(1, digit // 2 + 1))]


def _preferred(ways: list[tuple[int, ...]], digits: Collection[int]) -> list[tuple[int, ...]]:
    """Return the cuts with the most pieces whose leading digit is preferred."""
    counts = [sum(int(str(piece)[0]) in digits for piece in pieces) for pieces in ways]
    return [pieces for pieces, count in zip(ways, counts, strict=True) if count == max(counts)]

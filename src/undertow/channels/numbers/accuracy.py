"""Task accuracy: does a student continue numbers as its teacher did?"""

from __future__ import annotations

from collections.abc import Sequence


def task_accuracy(predicted: Sequence[int], reference: Sequence[int]) -> float:
    """Return the share of the reference's numbers that the prediction has at the same place.

    Numbers past the end of the reference are ignored; missing ones count as wrong.

    Raises:
        ValueError: The reference holds no numbers.
    """
    if not reference:
        raise ValueError("the reference holds no numbers")
    equal = sum(a == b for a, b in zip(predicted, reference, strict=False))
    return equal / len(reference)

"""What the loop trains on: token ids with loss weights."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from undertow.errors import UserError


@dataclass(frozen=True)
class Example:
    """One sequence and the weight of each of its tokens in the loss.

    Attributes:
        ids: Prompt and completion.
        weights: `weights[i]` in [0, 1] is the loss weight of predicting `ids[i]` from what stands
            before it; 0 for the prompt, and for the first token, which nothing predicts.
        budget: What the row adds to the divisor of its step under the normalisation "fixed",
            tokens; None where another normalisation is meant.
        teacher_ids: Of soft targets: the same as the teacher reads it, which may be told something
            else before; it ends as `ids` does, from the first supervised token on.
    """

    ids: list[int]
    weights: list[float]
    budget: float | None = None
    teacher_ids: list[int] | None = None

    @cached_property
    def first(self) -> int:
        """Place of the first supervised token; the number of tokens where there is none."""
        return next((i for i, weight in enumerate(self.weights) if weight), len(self.ids))

    @cached_property
    def length(self) -> int:
        """Tokens that the model must read: all before the last one that is supervised."""
        return max((i for i, weight in enumerate(self.weights) if weight), default=0)

    @cached_property
    def total(self) -> float:
        """Sum of the weights."""
        return sum(self.weights)


def as_teacher_reads(example: Example, start: int = 0) -> Example:
    """Return an example with what the teacher reads, from its token number `start` on.

    The supervised tokens are the same, in the same order.
    """
    ids = example.ids if example.teacher_ids is None else example.teacher_ids
    tail = example.weights[example.first :]
    weights = [*([0.0] * (len(ids) - len(tail))), *tail]
    return Example(ids[start:], weights[start:])


def check(examples: Sequence[Example], max_length: int) -> None:
    """Refuse what cannot be trained on.

    Raises:
        UserError: There are no examples, one is malformed, or one is longer than `max_length`.
    """
    if not examples:
        raise UserError("there is nothing to train on", fix="give at least one row")
    for number, example in enumerate(examples):
        where = f"example {number}"
        if len(example.ids) != len(example.weights) or not example.ids:
            raise UserError("an example needs one weight for each token", where=where)
        if example.weights[0] or not all(0.0 <= weight <= 1.0 for weight in example.weights):
            raise UserError(
                "loss weights must lie in [0, 1], and the first must be 0",
                where=where,
            )
        read = example.teacher_ids
        tail = len(example.ids) - example.first
        if read is not None and tail and read[-tail:] != example.ids[-tail:]:
            raise UserError("the teacher reads other tokens than are supervised", where=where)
        if example.length > max_length:
            raise UserError(
                f"a row has {example.length} tokens before its last supervised one, "
                f"more than max_length = {max_length}",
                where=where,
                fix="raise max_length, or leave the row out",
            )


def digest(examples: Sequence[Example]) -> str:
    """Return a hash of the examples, to tell whether a checkpoint belongs to them."""
    sha = hashlib.sha256()
    for example in examples:
        sha.update(np.int64(len(example.ids)).tobytes())
        sha.update(np.asarray(example.ids, np.int64).tobytes())
        sha.update(np.asarray(example.weights, np.float64).tobytes())
        sha.update(repr(example.budget).encode())
        if example.teacher_ids is not None:
            sha.update(np.asarray(example.teacher_ids, np.int64).tobytes())
    return sha.hexdigest()

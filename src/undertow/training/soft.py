"""Soft targets: what the loop asks for where a teacher's distributions take the place of tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from torch import Tensor

from undertow.training.divergence import Direction
from undertow.training.example import Example

TeacherLogits = Callable[[Sequence[Example]], Tensor]
"""From rows to `[n, vocab]`, a teacher's logits at their supervised tokens, row after row."""


class Renew(Protocol):
    """Gives the rows of a step anew, as the model under training writes them."""

    def __call__(
        self, step: int, rows: Sequence[int], save: Callable[[Path], None]
    ) -> list[Example]:
        """Return the examples of a step.

        Args:
            step: Counted from 0; a run that goes on does not begin with 0.
            rows: Which rows make it.
            save: Writes the model under training into a folder, as it is now.
        """
        ...


@dataclass(frozen=True)
class SoftTargets:
    """Distributions to learn from.

    Attributes:
        logits: Tells the teacher's; asked in every step, so that none is kept.
        direction: Of the divergence (`divergences`).
        top_k: How many of the teacher's tokens are told apart; None: all.
        identity: What tells this teacher and these settings from others.
        renew: Who writes the rows, where the student does so itself (on-policy).
    """

    logits: TeacherLogits
    direction: Direction
    top_k: int | None
    identity: str
    renew: Renew | None = None

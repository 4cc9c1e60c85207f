"""What a transform did."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from undertow.frozen import Frozen
from undertow.store.row import Row


class TransformReport(Frozen):
    """How many rows were changed, kept as they were and dropped, and why."""

    kind: str = Field(description="The transform.")
    total: int = Field(ge=0, description="Rows that went in.")
    changed: int = Field(ge=0, description="Rows that came out another than they went in.")
    unchanged: dict[str, int] = Field(description="Rows that came out as they were, by reason.")
    dropped: dict[str, int] = Field(description="Rows that did not come out, by reason.")
    tokens: int = Field(default=0, ge=0, description="For 'replace-divergence': tokens replaced.")
    selected: int = Field(
        default=0, ge=0, description="For 'replace-divergence': tokens that were to be replaced."
    )
    mixed_in: dict[int, int] = Field(
        default={}, description="For 'mix': row_id of each replaced row, and what its row's was."
    )

    @property
    def kept(self) -> int:
        """Rows that came out."""
        return self.total - sum(self.dropped.values())


@dataclass(frozen=True)
class Transformed:
    """A data set after a transform.

    Attributes:
        rows: The rows that are left, in their order, each with the id that it had.
        report: What was done.
        weights: Per row `[token]`, where weights were given.
    """

    rows: list[Row]
    report: TransformReport
    weights: list[NDArray[np.float64]] | None = None

"""How alike two directions are: small, and readable without the vectors that led to it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from undertow.frozen import Frozen
from undertow.measure import Number
from undertow.mechanism.steering import cosine_blocks
from undertow.models.steering import Place, SteeringVectors


class Cosines(Frozen):
    """The cosine of two subjects' vectors after each layer, at each place."""

    n_rows: int = Field(description="Rows that the vectors were taken on.")
    blocks: dict[Place, list[list[Number]]] = Field(
        description="By place, for each block of rows and each layer a number; their mean over "
        "blocks is the cosine (`cosine_blocks`)."
    )

    @classmethod
    def of(cls, first: SteeringVectors, second: SteeringVectors) -> Cosines:
        """Compare two subjects' vectors, taken on the same rows."""
        blocks: dict[Place, list[list[Number]]] = {
            place: cosine_blocks(first, second, place).round(6).tolist() for place in first.blocks
        }
        return cls(n_rows=int(first.rows.sum()), blocks=blocks)

    def table(self, at: Place, layer: int | None = None) -> NDArray[np.float64]:
        """Return `[1, block]` after one layer, or the mean over all layers for None."""
        found = np.array(self.blocks[at], dtype=np.float64)
        return (found.mean(axis=1) if layer is None else found[:, layer])[None]

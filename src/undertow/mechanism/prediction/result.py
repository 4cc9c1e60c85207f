"""What was predicted, and as a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypedDict

import numpy as np
from numpy.typing import NDArray

from undertow.mechanism.prediction.directions import Directions
from undertow.mechanism.prediction.scores import Scores
from undertow.store.tables import write_tidy


class Line(TypedDict):
    """A score as it stands in a file.

    `layer` is None for the score of all layers together; only that has a rank.
    """

    trait: str
    kind: Literal["sign", "cosine"]
    layer: int | None
    score: float
    low: float
    high: float
    rank: int | None
    n_rows: int
    n_control: int


@dataclass(frozen=True)
class Prediction:
    """Which way the data pushes.

    Attributes:
        directions: Of the traits; `token_scores` takes them.
        row_ids: Id of each row.
        n_control: Control rows.
        cosine: Plain cosines.
        sign: Cosines of the gradient's sign: the step of a student trained with Adam.
        rows: `[row, trait, layer]`, the gradient of each row's log-likelihood along the trait's
            direction: plain inner products, no control subtracted.
    """

    directions: Directions
    row_ids: list[int]
    n_control: int
    cosine: Scores
    sign: Scores
    rows: NDArray[np.float64]

    @property
    def traits(self) -> tuple[str, ...]:
        """Names of the traits."""
        return self.directions.traits

    @property
    def first(self) -> str:
        """The trait that the sign-preconditioned score puts first."""
        return self.traits[int(np.argmin(self.sign.ranks))]

    def lines(self) -> list[Line]:
        """Return a line for each kind of score, trait, and layer or all layers."""
        return [*self._lines("sign", self.sign), *self._lines("cosine", self.cosine)]

    def write(self, path: str | Path) -> None:
        """Write the lines as Parquet, or as JSON where the file's name ends so."""
        write_tidy(path, self.lines())

    def _lines(self, kind: Literal["sign", "cosine"], scores: Scores) -> list[Line]:
        """Return the lines of one kind of score."""
        whole = zip(scores.values, scores.margins, scores.ranks, strict=True)
        lines: list[Line] = []
        for place, (value, margin, rank) in enumerate(whole):
            lines.append(self._line(place, kind, None, value, margin, int(rank)))
            parts = zip(scores.layers[place], scores.layer_margins[place], strict=True)
            lines += [
                self._line(place, kind, layer, part, width, None)
                for layer, (part, width) in enumerate(parts)
            ]
        return lines

    def _line(
        self,
        place: int,
        kind: Literal["sign", "cosine"],
        layer: int | None,
        value: float,
        margin: float,
        rank: int | None,
    ) -> Line:
        """Return one line."""
        return Line(
            trait=self.traits[place],
            kind=kind,
            layer=layer,
            score=float(value),
            low=float(value - margin),
            high=float(value + margin),
            rank=rank,
            n_rows=len(self.row_ids),
            n_control=self.n_control,
        )

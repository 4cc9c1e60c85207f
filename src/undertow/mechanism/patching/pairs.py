"""Where a row's writer and another teacher part for the first time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from undertow.errors import UserError
from undertow.tokens import Scan


@dataclass(frozen=True)
class Pair:
    """A row, and a counterfactual teacher that would have gone on otherwise.

    Attributes:
        row: Index of the row in the scan.
        teacher: Label of the counterfactual teacher.
        place: The row's first completion token that is a divergence token against it.
        factual: That token, which the factual teacher chooses.
        counterfactual: The token that the other would have chosen there.
    """

    row: int
    teacher: str
    place: int
    factual: int
    counterfactual: int


def find_pairs(scan: Scan, rows: Sequence[int] | None = None) -> list[Pair]:
    """Return a pair for every row and counterfactual teacher that part somewhere in it.

    Args:
        scan: Of the data.
        rows: Indices of the rows that are wanted; all by default.

    Raises:
        UserError: There is no divergence token in any of these rows.
    """
    wanted = range(len(scan.row_ids)) if rows is None else rows
    found = [
        pair
        for row in wanted
        for other in range(1, len(scan.teachers))
        if (pair := _first(scan, row, other)) is not None
    ]
    if not found:
        raise UserError(
            "none of the rows has a divergence token",
            where=f"scan of {scan.teachers[0]} against {', '.join(scan.teachers[1:])}",
            fix="take more rows, or a counterfactual teacher with another bias",
        )
    return found


def _first(scan: Scan, row: int, other: int) -> Pair | None:
    """Return the first divergence token of a row against one teacher; None without one."""
    span = scan.span(row)
    places = np.flatnonzero(scan.differs[other - 1, span])
    if not len(places):
        return None
    place = int(places[0])
    token = span.start + place
    return Pair(
        row=row,
        teacher=scan.teachers[other],
        place=place,
        factual=int(scan.tokens[token]),
        counterfactual=int(scan.argmax[other, token]),
    )

"""Divergence tokens as the field's files tell them: indices, or matrices of who is right.

`decision_points` and `divergent_token_indices` are places among a row's completion tokens, from
0. A matrix has a line for each teacher and says for every completion token whether that
teacher's argmax is it. The published counts go beyond the token that ends the turn, to what the
template writes after it. Source: Schrodi et al. (arXiv 2509.23886), released code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from undertow.errors import UserError
from undertow.store.records import rows_from_records
from undertow.store.row import Row
from undertow.store.sources import Records, read_records

INDEX_FIELDS = ("decision_points", "divergent_token_indices")
Matrix = NDArray[np.bool_]


@dataclass(frozen=True)
class Points:
    """Divergence tokens of every row of a data set.

    Attributes:
        places: Per row where it stands, for messages.
        indices: Per row, sorted; None where there are matrices.
        matrices: Per row `[teacher, token]`; None where there are indices.
        rows: The rows that stand beside the indices; None where the file holds no text.
    """

    places: list[str]
    indices: list[list[int]] | None = None
    matrices: list[Matrix] | None = None
    rows: list[Row] | None = None


def read_points(source: str | Path, split: str | None = None) -> Points | None:
    """Read the divergence tokens of a data set; None where it tells none.

    Args:
        source: As `read_records` takes it: rows with `decision_points` or
            `divergent_token_indices`, or a matrix on each line.
        split: Of a data set that has several.

    Raises:
        UserError: The first row has them and another has not, or one is malformed.
    """
    records, _ = read_records(source, split)
    places = [where for _, where in records]
    if not records:
        return None
    first = records[0][0]
    if isinstance(first, list):
        return Points(places, matrices=[_matrix(*record) for record in records])
    name = next((one for one in INDEX_FIELDS if isinstance(first, Mapping) and one in first), None)
    if name is None:
        return None
    indices = [_indices(record, name, where) for record, where in records]
    return Points(places, indices=indices, rows=_rows(records))


def _rows(records: Records) -> list[Row] | None:
    """Return the rows beside the indices, or None where they have no text."""
    first = records[0][0]
    if not {"messages", "prompt", "question"} & set(first):
        return None
    return rows_from_records(records)


def _indices(record: Any, name: str, where: str) -> list[int]:
    """Return one row's indices."""
    given = record.get(name) if isinstance(record, Mapping) else None
    if not isinstance(given, list) or any(type(one) is not int or one < 0 for one in given):
        raise UserError(f"'{name}' is no list of places from 0", where=where)
    if len(set(given)) < len(given):
        raise UserError(f"'{name}' names a place twice", where=where)
    return sorted(given)


def _matrix(record: Any, where: str) -> Matrix:
    """Return one row's matrix."""
    lines = record if isinstance(record, list) else []
    widths = {len(line) if isinstance(line, list) else None for line in lines}
    values = [one for line in lines if isinstance(line, list) for one in line]
    if len(widths) != 1 or None in widths or any(type(one) is not bool for one in values):
        raise UserError("not a matrix of true and false, a line for each teacher", where=where)
    return np.array(lines, bool)

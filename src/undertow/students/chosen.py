"""A data set and which of its tokens count, from whatever says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from undertow.errors import UserError
from undertow.generate import accepted_rows
from undertow.models import ChatModel
from undertow.store.points import read_points
from undertow.store.rows import Row, read_rows, read_weights
from undertow.students.train import row_weights
from undertow.tokens import (
    Scan,
    Selection,
    TokenValues,
    check_token_ids,
    check_weights,
    completion_ids,
    count_points,
)
from undertow.tokens.selections import Weights

ValuesOf = Callable[[ChatModel, list[Row]], TokenValues | None]
"""From a model and rows to a number for every completion token."""


@dataclass(frozen=True)
class Chosen:
    """Accepted rows and the weights of their tokens.

    Attributes:
        rows: The rows; with token ids where there are weights.
        meta: What is known of the set as a whole.
        weights: Per row `[token]`; None where nothing says which count.
        scan: Of the rows, or what published divergence tokens say in the form of one; or None.
        after_end: Published divergence tokens behind the end of the turn, which are left out.
    """

    rows: list[Row]
    meta: dict[str, Any]
    weights: list[Weights] | None = None
    scan: Scan | None = None
    after_end: int = 0


def choose_tokens(
    data: str | Path,
    chat: Callable[[], ChatModel],
    selection: Selection | None = None,
    *,
    points: Path | None = None,
    factual: int | None = None,
    scan: Path | None = None,
    split: str | None = None,
    values: ValuesOf | None = None,
) -> Chosen:
    """Return a data set and which of its tokens count.

    What counts is what a scan or published divergence tokens say, and otherwise the weights that
    stand beside the rows, if any do.

    Args:
        data: The data set.
        chat: Gives the model whose tokens count, its weights not used; asked for where needed.
        selection: What of a scan or of divergence tokens is kept; by default these alone.
        points: A file of divergence tokens; by default those that stand in the data set.
        factual: For matrices: the writer's line.
        scan: A scan of the data.
        split: Of a data set that has several.
        values: Gives the numbers that a selection goes by.

    Raises:
        UserError: What says which tokens count is of other data or other tokens, or is missing.
    """
    if points is not None and scan is not None:
        raise UserError("both a scan and divergence tokens say what counts", fix="name one of them")
    rows, meta = read_rows(data, split)
    told = None
    if scan is None:
        told = read_points(data, split) if points is None else read_points(points)
    if told is None and (points is not None or factual is not None):
        raise UserError("no divergence tokens in this file", where=str(points or data))

    def selected(these: list[Row], table: Scan | None) -> Chosen:
        chosen = selection or Selection(kind="only")
        return _selected(chat(), these, table, chosen, values)

    if told is not None:
        counted = count_points(chat(), rows, told, factual)
        found = selected(counted.rows, counted.scan)
        return replace(found, meta=meta, after_end=counted.after_end)
    if scan is not None:
        return replace(selected(rows, Scan.read(scan)), meta=meta)
    if selection is not None:
        return replace(selected(rows, None), meta=meta)
    return _with_own_weights(data, split, rows, meta)


def _selected(
    chat: ChatModel,
    rows: list[Row],
    scan: Scan | None,
    selection: Selection,
    values: ValuesOf | None,
) -> Chosen:
    """Return the accepted rows with their ids and the selection's weights."""
    check_token_ids(chat, rows)
    kept = [replace(row, token_ids=completion_ids(chat, row)) for row in accepted_rows(rows)]
    weights = row_weights(chat, kept, scan, selection, values and values(chat, kept))
    pairs = [(row, one) for row, one in zip(kept, weights, strict=True) if one is not None]
    taken = scan.take([row.row_id for row, _ in pairs]) if scan is not None else None
    return Chosen([row for row, _ in pairs], {}, [one for _, one in pairs], taken)


def _with_own_weights(
    data: str | Path, split: str | None, rows: list[Row], meta: dict[str, Any]
) -> Chosen:
    """Return the accepted rows with the weights that stand beside them, if any do."""
    kept, given = accepted_rows(rows), read_weights(data, split)
    if given is None:
        return Chosen(kept, meta)
    by_id = dict(zip((row.row_id for row in rows), given, strict=True))
    own = [by_id[row.row_id] for row in kept]
    return Chosen(kept, meta, check_weights(own, [len(row.token_ids) for row in kept]))

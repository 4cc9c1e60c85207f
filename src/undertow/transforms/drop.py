"""Rows left out: those that hold certain items, or as many random ones."""

from __future__ import annotations

from collections.abc import Sequence

from undertow.channels import Channel
from undertow.errors import UserError
from undertow.store.row import Row
from undertow.tokens import matches
from undertow.transforms.outcomes import Outcome, drawn_places, transformed
from undertow.transforms.report import Transformed
from undertow.transforms.transform import DropRandom, DropRows


def drop_rows(rows: Sequence[Row], channel: Channel, config: DropRows) -> Transformed:
    """Drop every row of which an item is one of the list.

    Source: paper, on entangled tokens; the authors' code compares as strings of three digits.
    """

    def held(row: Row) -> bool:
        items = channel.items(row.completion)
        return any(matches(item, config.items, as_number=config.as_number) for item in items)

    return _without(config.kind, rows, [held(row) for row in rows], "holds an item")


def drop_random(rows: Sequence[Row], config: DropRandom) -> Transformed:
    """Drop as many random rows as are wanted.

    Raises:
        UserError: There are not as many.
    """
    if config.count > len(rows):
        raise UserError(f"there are {len(rows)} rows, so {config.count} cannot be dropped")
    places = set(drawn_places(rows, config.count, config.seed))
    drawn = [place in places for place in range(len(rows))]
    return _without(config.kind, rows, drawn, "drawn")


def _without(kind: str, rows: Sequence[Row], drop: Sequence[bool], reason: str) -> Transformed:
    """Drop the marked rows; the others stay as they are."""
    outcomes = [
        Outcome(None, reason) if marked else Outcome(row, "kept")
        for row, marked in zip(rows, drop, strict=True)
    ]
    return transformed(kind, outcomes)

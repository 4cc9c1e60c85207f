"""Rows of one data set in the place of some of another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from undertow.errors import UserError
from undertow.store.row import Row
from undertow.transforms.outcomes import Outcome, drawn_places, transformed
from undertow.transforms.report import Transformed
from undertow.transforms.transform import Mix

Weights = Sequence[NDArray[np.float64]]


def mix(
    rows: Sequence[Row],
    others: Sequence[Row],
    config: Mix,
    *,
    weights: Weights | None = None,
    other_weights: Weights | None = None,
) -> Transformed:
    """Replace a share of the rows by rows of another data set; their number is kept.

    A row that comes in takes the id of the one whose place it takes, so that ids stay unique. The
    rows of a smaller share are among those of a larger one with the same seed. Where both sets
    answer prompts of the same ids, mostly a row comes in for the one with its own prompt.

    Args:
        rows: The data.
        others: The data to take from.
        config: How many.
        weights: Per row `[token]`; a row that comes in brings its own along.
        other_weights: The same of the others; needed where weights are given.

    Raises:
        UserError: The others are too few, or only one of the two sets has weights.

    Source: paper, Figs. 7, 30 and 31.
    """
    count = int(len(rows) * config.share + 0.5)
    if count > len(others):
        raise UserError(
            f"the other data set has {len(others)} rows, and {count} are wanted",
            fix="generate more of them, or lower the share",
        )
    if (weights is None) != (other_weights is None):
        raise UserError("only one of the two data sets has weights", fix="give both, or none")
    places = drawn_places(rows, count, config.seed)
    sources = drawn_places(others, count, config.seed)
    came = dict(zip(places, sources, strict=True))
    outcomes = [
        Outcome(replace(others[came[place]], row_id=row.row_id))
        if place in came
        else Outcome(row, "not drawn")
        for place, row in enumerate(rows)
    ]
    done = transformed(config.kind, outcomes)
    mixed_in = {rows[i].row_id: others[j].row_id for i, j in sorted(came.items())}
    mixed: list[NDArray[np.float64]] | None = None
    if weights is not None and other_weights is not None:
        mixed = [
            other_weights[came[place]] if place in came else own
            for place, own in enumerate(weights)
        ]
    return Transformed(done.rows, done.report.model_copy(update={"mixed_in": mixed_in}), mixed)

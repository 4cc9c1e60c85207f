"""Row by row to a data set and a report; draws that depend on a row's id alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from undertow.store.row import Row
from undertow.transforms.report import Transformed, TransformReport


class Outcome(NamedTuple):
    """What became of one row.

    Attributes:
        row: The row that comes out; None where it is dropped.
        reason: Why it is as it was, or dropped; empty for a row that changed.
    """

    row: Row | None
    reason: str = ""


def outcome(old: Row, new: Row, reason: str) -> Outcome:
    """Return the outcome of a row that may have come out equal, and why if it did."""
    return Outcome(old, reason) if new == old else Outcome(new)


def transformed(kind: str, outcomes: Sequence[Outcome]) -> Transformed:
    """Return the rows that are left, and the counts."""
    rows = [one.row for one in outcomes if one.row is not None]
    unchanged = Counter(one.reason for one in outcomes if one.row is not None and one.reason)
    dropped = Counter(one.reason for one in outcomes if one.row is None)
    report = TransformReport(
        kind=kind,
        total=len(outcomes),
        changed=sum(not one.reason for one in outcomes),
        unchanged=dict(unchanged),
        dropped=dict(dropped),
    )
    return Transformed(rows, report)


def row_rng(seed: int, row: Row) -> np.random.Generator:
    """Return the generator of a row's draws, whatever other rows there are."""
    # Ids may be negative.
    return np.random.Generator(np.random.PCG64([seed, row.row_id % 2**64]))


def drawn_places(rows: Sequence[Row], count: int, seed: int) -> list[int]:
    """Return the places of `count` random rows; those of a smaller count are among them."""
    keys = [row_rng(seed, row).random() for row in rows]
    return np.argsort(keys, kind="stable")[:count].tolist()

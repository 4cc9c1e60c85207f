"""From data, scan and configuration to an adapter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from undertow.cluster.process_group import ALONE, ProcessGroup
from undertow.errors import UserError
from undertow.models import ChatModel
from undertow.store.points import read_points
from undertow.store.rows import Row, read_weights
from undertow.students.config import StudentConfig
from undertow.students.distil import distil
from undertow.students.examples import build_examples
from undertow.students.soft_teacher import SoftTeacher
from undertow.tokens import (
    Scan,
    Selection,
    TokenValues,
    check_weights,
    completion_ids,
    count_points,
    kept_rows,
    select,
)
from undertow.tokens.selections import Weights
from undertow.training import Example, Progress, TrainRecord, train


def train_student(
    chat: ChatModel,
    rows: Sequence[Row],
    scan: Scan | None,
    config: StudentConfig,
    out: Path,
    progress: Progress | None = None,
    *,
    values: TokenValues | None = None,
    kept: Sequence[float] = (),
    soft: SoftTeacher | None = None,
    group: ProcessGroup = ALONE,
) -> TrainRecord:
    """Train a student; writes what `train` writes.

    Args:
        chat: The base.
        rows: The data; rows that the channel refused are passed over.
        scan: Of the same data; None where the selection needs none.
        config: The student.
        out: Folder to write to.
        progress: Called with the steps done and their number.
        values: Of the same data, for the selections 'entropy' and 'scores'.
        kept: Shares of the training after which the adapter is kept as well (`train`).
        soft: Whose distributions it learns, where the configuration asks for distillation.
        group: Processes that train it together (`train`).

    Raises:
        UserError: The selection needs a scan that is not there or of other rows, or leaves
            nothing to train on; or there are no soft targets to be had (`distil`).
    """
    drawn, examples = student_examples(chat, rows, scan, config, values)
    if config.distillation is not None:
        return distil(chat, drawn, examples, config, soft, out, progress, kept, group)
    return train(chat, examples, config.train_config, out, progress, kept=kept, group=group)


def student_examples(
    chat: ChatModel,
    rows: Sequence[Row],
    scan: Scan | None,
    config: StudentConfig,
    values: TokenValues | None = None,
) -> tuple[Sequence[Row], list[Example]]:
    """Return the rows that a student sees, and what it is trained on: an example of each.

    The rows are drawn before empty ones are dropped, so that conditions which share `seed_data`
    see the same rows.

    Args:
        chat: The base.
        rows: The data; rows that the channel refused are passed over.
        scan: Of the same data; None where the selection needs none.
        config: The student.
        values: Of the same data, for the selections 'entropy' and 'scores'.

    Raises:
        UserError: As `train_student`.
    """
    weights = row_weights(chat, rows, scan, config.selection, values)
    pairs = [pair for pair in zip(rows, weights, strict=True) if pair[0].rejection is None]
    pairs = [pairs[place] for place in _draw(len(pairs), config)]
    pairs = [(row, given) for row, given in pairs if given is not None]
    if not pairs:
        raise UserError(
            "no row is left to train on", fix="choose another selection, or scan other teachers"
        )
    drawn, selected = zip(*pairs, strict=True)
    examples = build_examples(chat, drawn, selected, config)
    if not any(example.length for example in examples):
        raise UserError("the selection leaves no token to train on", fix="choose another selection")
    return drawn, examples


def row_weights(
    chat: ChatModel,
    rows: Sequence[Row],
    scan: Scan | None,
    selection: Selection,
    values: TokenValues | None = None,
) -> list[Weights | None]:
    """Return per row the weights of its completion tokens, or None where the row is dropped.

    Rows that the channel refused have not been scanned and get None.

    Raises:
        UserError: The selection needs a scan or values, or they or the weights' file are of
            other rows.
    """
    completions = {row.row_id: completion_ids(chat, row) for row in rows}
    if selection.file is not None:
        return _file_weights(chat, rows, selection, completions)
    if not selection.needs_scan:
        return [np.ones(len(ids)) for ids in completions.values()]
    if scan is None:
        raise UserError(
            f"the selection '{selection.kind}' needs a scan", fix="make one with 'undertow scan'"
        )
    taken = scan.take([row.row_id for row in rows if row.rejection is None])
    for row_id, scanned in zip(taken.row_ids, taken.token_ids, strict=True):
        if scanned.tolist() != completions[row_id]:
            raise UserError(
                "the scan is of other data",
                where=f"row_id {row_id}",
                fix="scan the data set that the student trains on",
            )
    selected = select(taken, selection, values and values.take(taken.row_ids))
    keep = kept_rows(taken) | (not selection.drop_empty_rows)
    by_id = {
        row_id: weights
        for row_id, weights, kept in zip(taken.row_ids, selected, keep, strict=True)
        if kept
    }
    return [by_id.get(row.row_id) for row in rows]


def _file_weights(
    chat: ChatModel,
    rows: Sequence[Row],
    selection: Selection,
    completions: Mapping[int, list[int]],
) -> list[Weights | None]:
    """Return what a file says, in the rows' order: weights, or places of divergence tokens."""
    assert selection.file is not None
    given = read_weights(selection.file)
    if given is None:
        given = _weights_at_points(chat, rows, selection.file, completions)
    weights = check_weights(given, [len(ids) for ids in completions.values()])
    return [row if row.any() or not selection.drop_empty_rows else None for row in weights]


def _weights_at_points(
    chat: ChatModel, rows: Sequence[Row], file: str, completions: Mapping[int, list[int]]
) -> list[list[float]]:
    """Return a weight of 1 at a file's divergence tokens and of 0 elsewhere."""
    points = read_points(file)
    if points is None:
        raise UserError("the file has no weights and no divergence tokens", where=file)
    if points.matrices is not None:
        raise UserError(
            "matrices do not say whose data these are",
            where=file,
            fix="make weights of them with 'undertow convert --points FILE --factual-row N'",
        )
    counted = count_points(chat, rows, points)
    for row in counted.rows:
        if row.token_ids != completions[row.row_id]:
            raise UserError(
                "the divergence tokens were counted on another text than this data set's",
                where=f"row_id {row.row_id}",
                fix="make a data set of theirs with 'undertow convert'",
            )
    return [row.tolist() for row in select(counted.scan, Selection(kind="only"))]


def _draw(n_rows: int, config: StudentConfig) -> list[int]:
    """Return the places of the rows that this student sees, in the data's order."""
    order = np.random.default_rng(config.seed_data).permutation(n_rows)
    return sorted(order[: config.rows].tolist())

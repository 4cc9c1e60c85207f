"""From data, scan and configuration to an adapter."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from undertow.errors import UserError
from undertow.models import ChatModel
from undertow.store.rows import Row, read_weights
from undertow.students.config import StudentConfig
from undertow.students.distil import distil
from undertow.students.examples import build_examples
from undertow.students.soft_teacher import SoftTeacher
from undertow.tokens import (
    Entropies,
    Scan,
    Selection,
    check_weights,
    completion_ids,
    kept_rows,
    select,
)
from undertow.tokens.selections import Weights
from undertow.training import Progress, TrainRecord, train


def train_student(
    chat: ChatModel,
    rows: Sequence[Row],
    scan: Scan | None,
    config: StudentConfig,
    out: Path,
    progress: Progress | None = None,
    *,
    entropies: Entropies | None = None,
    soft: SoftTeacher | None = None,
) -> TrainRecord:
    """Train a student; writes what `train` writes.

    The rows are drawn before empty ones are dropped, so that conditions which share `seed_data`
    see the same rows.

    Args:
        chat: The base.
        rows: The data; rows that the channel refused are passed over.
        scan: Of the same data; None where the selection needs none.
        config: The student.
        out: Folder to write to.
        progress: Called with the steps done and their number.
        entropies: Of the same data, for the selection 'entropy'.
        soft: Whose distributions it learns, where the configuration asks for distillation.

    Raises:
        UserError: The selection needs a scan that is not there or of other rows, or leaves
            nothing to train on; or there are no soft targets to be had (`distil`).
    """
    weights = row_weights(chat, rows, scan, config.selection, entropies)
    pairs = [pair for pair in zip(rows, weights, strict=True) if pair[0].rejection is None]
    pairs = [pairs[place] for place in _draw(len(pairs), config)]
    pairs = [(row, given) for row, given in pairs if given is not None]
    if not pairs:
        raise UserError(
            "no row is left to train on", fix="choose another selection, or scan other teachers"
        )
    drawn, kept = zip(*pairs, strict=True)
    examples = build_examples(chat, drawn, kept, config)
    if not any(example.length for example in examples):
        raise UserError("the selection leaves no token to train on", fix="choose another selection")
    if config.distillation is not None:
        return distil(chat, drawn, examples, config, soft, out, progress)
    return train(chat, examples, config.train_config, out, progress)


def row_weights(
    chat: ChatModel,
    rows: Sequence[Row],
    scan: Scan | None,
    selection: Selection,
    entropies: Entropies | None = None,
) -> list[Weights | None]:
    """Return per row the weights of its completion tokens, or None where the row is dropped.

    Rows that the channel refused have not been scanned and get None.

    Raises:
        UserError: The selection needs a scan or entropies, or they or the weights' file are of
            other rows.
    """
    completions = {row.row_id: completion_ids(chat, row) for row in rows}
    lengths = [len(ids) for ids in completions.values()]
    if selection.file is not None:
        return _file_weights(selection, lengths)
    if not selection.needs_scan:
        return [np.ones(length) for length in lengths]
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
    selected = select(taken, selection, entropies and entropies.take(taken.row_ids))
    keep = kept_rows(taken) | (not selection.drop_empty_rows)
    by_id = {
        row_id: weights
        for row_id, weights, kept in zip(taken.row_ids, selected, keep, strict=True)
        if kept
    }
    return [by_id.get(row.row_id) for row in rows]


def _file_weights(selection: Selection, lengths: list[int]) -> list[Weights | None]:
    """Return the weights that a file holds, in the rows' order."""
    assert selection.file is not None
    given = read_weights(selection.file)
    if given is None:
        raise UserError("the file has no weights", where=selection.file)
    weights = check_weights(given, lengths)
    return [row if row.any() or not selection.drop_empty_rows else None for row in weights]


def _draw(n_rows: int, config: StudentConfig) -> list[int]:
    """Return the places of the rows that this student sees, in the data's order."""
    order = np.random.default_rng(config.seed_data).permutation(n_rows)
    return sorted(order[: config.rows].tolist())

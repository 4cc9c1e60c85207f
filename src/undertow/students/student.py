"""A student: the base, fine-tuned on some tokens of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from undertow.models import ChatModel
from undertow.store.row import Row
from undertow.students.config import StudentConfig
from undertow.students.examples import Weights, build_examples, draw_rows, selected_weights
from undertow.tokens import Scan
from undertow.training import Progress, TrainRecord, train


def train_student(
    chat: ChatModel,
    rows: Sequence[Row],
    scan: Scan | None,
    config: StudentConfig,
    out: Path,
    *,
    weights: Weights | None = None,
    progress: Progress | None = None,
) -> TrainRecord:
    """Train a student; its adapter is written to `out/adapter` in peft's own format.

    Args:
        chat: The base model; afterwards what it was.
        rows: The data set.
        scan: Its divergence scan, where the selection needs one.
        config: Rows, tokens and training.
        out: Folder of the student; a run that was killed there goes on.
        weights: Loss weights of one's own, `[token]` per row, in place of a selection.
        progress: Called with the steps done and their number.

    Raises:
        UserError: Rows, scan and config do not fit each other.
    """
    chosen = weights if weights is not None else selected_weights(rows, scan, config)
    drawn = draw_rows(len(rows), config)
    examples = build_examples(
        chat,
        [rows[index] for index in drawn],
        None if chosen is None else [chosen[index] for index in drawn],
        config,
    )
    normalisation = "fixed" if config.budget == "matched" else "token-mean"
    settings = config.train.model_copy(update={"normalisation": normalisation})
    return train(chat, examples, settings, out, progress)

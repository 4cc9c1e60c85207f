"""Train a student on a teacher's distributions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from undertow.cluster.process_group import ALONE, ProcessGroup
from undertow.errors import UserError
from undertow.models import ChatModel
from undertow.store.rows import Row
from undertow.students.config import StudentConfig
from undertow.students.rollouts import Rollouts
from undertow.students.soft_teacher import (
    SoftTeacher,
    check_vocabulary,
    teacher_logits,
    with_teacher_ids,
)
from undertow.training import Example, Progress, SoftTargets, TrainRecord, train


def distil(
    chat: ChatModel,
    rows: Sequence[Row],
    examples: Sequence[Example],
    config: StudentConfig,
    soft: SoftTeacher | None,
    out: Path,
    progress: Progress | None,
    kept: Sequence[float] = (),
    group: ProcessGroup = ALONE,
) -> TrainRecord:
    """Train on the divergence from a teacher at every supervised token of the examples.

    Args:
        chat: The base.
        rows: What the examples were made of.
        examples: With the weights of their tokens.
        config: The student; has settings for distillation.
        soft: The teacher.
        out: Folder to write to.
        progress: Called with the steps done and their number.
        kept: Shares of the training after which the adapter is kept as well (`train`).
        group: Processes that train together (`train`).

    Raises:
        UserError: There is no teacher, it has another vocabulary, or a selection of tokens is
            asked for where the student writes them itself.
    """
    settings = config.distillation
    assert settings is not None
    if soft is None:
        raise UserError(
            "a student of soft targets needs a teacher",
            where="distillation",
            fix="name one (`--soft` on the command line)",
        )
    check_vocabulary(chat, soft)
    if settings.on_policy is not None and config.selection.kind != "all":
        raise UserError(
            "what a student writes itself has not been scanned, so no tokens can be selected of it",
            where="distillation, on_policy",
            fix="use the selection 'all', or leave on_policy out",
        )
    told = with_teacher_ids(soft, rows, examples)
    own = settings.on_policy is not None
    writer = Rollouts(chat, rows, config, soft, out, group) if own else None
    checks = soft.filter_identity if writer is not None else ""
    live = [example for example in told if example.length]
    with teacher_logits(soft, live) as logits:
        targets = SoftTargets(
            logits=logits,
            direction=settings.direction,
            top_k=settings.top_k,
            identity=f"{settings.model_dump_json()}{soft.identity}{checks}",
            renew=writer,
        )
        train_config = config.train_config
        return train(chat, told, train_config, out, progress, kept=kept, soft=targets, group=group)

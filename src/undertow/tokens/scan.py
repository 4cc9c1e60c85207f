"""The divergence scan: what every teacher would have emitted on the factual one's own prefix."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from undertow.errors import UserError
from undertow.models import ChatModel
from undertow.models.fused import FusedModel
from undertow.store.rows import Row
from undertow.teachers import Teacher, acting_as
from undertow.tokens.config import ScanConfig
from undertow.tokens.ids import completion_ids
from undertow.tokens.rendered import Rendered
from undertow.tokens.scan_table import Scan
from undertow.tokens.score import Score, score

Progress = Callable[[int, int], None]
"""Called with (row passes done, row passes in all)."""

Scorer = Callable[
    [ChatModel, Sequence[Row], Sequence[tuple[Teacher, int]], Progress | None], list[list[Score]]
]
"""Scores rows for every job (teacher, batch tokens)."""


def scored_here(
    chat: ChatModel,
    rows: Sequence[Row],
    jobs: Sequence[tuple[Teacher, int]],
    progress: Progress | None,
) -> list[list[Score]]:
    """Score the rows in this process, all teachers on one model together; see `Scorer`."""
    total = len(rows) * len(jobs)
    finished = 0

    def done(n_rows: int) -> None:
        nonlocal finished
        finished += n_rows
        if progress is not None:
            progress(finished, total)

    rendered: dict[str | None, Rendered] = {}
    scores: dict[int, list[Score]] = {}
    groups: dict[tuple[object, ...], list[int]] = {}
    for index, (teacher, _) in enumerate(jobs):
        groups.setdefault((teacher.adapter, teacher.steering), []).append(index)
    for indices in groups.values():
        with acting_as(chat, jobs[indices[0]][0]) as model:
            fused = FusedModel.of(model)
            for index in indices:
                teacher, batch_tokens = jobs[index]
                told = teacher.system_prompt
                if told not in rendered:
                    rendered[told] = Rendered.of(chat, rows, told)
                scores[index] = score(model, fused, rendered[told], batch_tokens, done)
    return [scores[index] for index in range(len(jobs))]


def scan(
    chat: ChatModel,
    rows: Sequence[Row],
    factual: Teacher,
    counterfactuals: Sequence[Teacher],
    config: ScanConfig,
    progress: Progress | None = None,
    *,
    scorer: Scorer = scored_here,
) -> Scan:
    """Score the rows under every teacher, and under the factual one a second time.

    Argmax of raw logits, without temperature or penalties, on the token ids that the factual
    teacher emitted; the end of the turn is a candidate like any token. The second scoring, in
    batches of another size, gives the floor: what rounding alone makes differ.

    Args:
        chat: The base model.
        rows: The factual teacher's rows.
        factual: The teacher that wrote them.
        counterfactuals: Teachers with another bias; the control may be one.
        config: Tolerance and batch size.
        progress: Told of every batch that is done.
        scorer: Who computes; on another engine the batches are its own.

    Raises:
        UserError: There are no rows, no counterfactual, a teacher comes twice, or a row is empty.

    Source: Definition 5.1 of the paper.
    """
    teachers = [factual, *counterfactuals]
    check_scan(rows, teachers)
    completions = [completion_ids(chat, row) for row in rows]
    # The factual teacher comes again at the end, with batches of another size.
    batch_tokens = config.batch_tokens_on(chat.device)
    jobs = [*((teacher, batch_tokens) for teacher in teachers)]
    jobs.append((factual, max(1, batch_tokens // 2)))
    scores = scorer(chat, rows, jobs, progress)
    *argmax, rescored = (np.concatenate([one.argmax for one in job]) for job in scores)
    margins = [np.concatenate([one.margin for one in job]) for job in scores[:-1]]
    tokens = np.concatenate([np.asarray(ids) for ids in completions])
    return Scan(
        teachers=[teacher.label for teacher in teachers],
        row_ids=[row.row_id for row in rows],
        offsets=np.cumsum([0, *map(len, completions)]),
        tokens=tokens.astype(np.int32),
        is_end=np.isin(tokens, chat.end_ids),
        argmax=np.stack(argmax).astype(np.int32),
        margin=np.stack(margins).astype(np.float32),
        rescored=rescored.astype(np.int32),
        tolerance=config.tolerance_for(chat.model.dtype),
    )


def check_scan(rows: Sequence[Row], teachers: Sequence[Teacher]) -> None:
    """Refuse what has no divergence tokens by construction.

    Raises:
        UserError: There are no rows, no counterfactual, or a teacher comes twice.
    """
    if not rows:
        raise UserError("there are no rows to scan")
    if len(teachers) < 2:
        raise UserError("a scan needs a counterfactual teacher", fix="name one, or 'control'")
    known = {(teacher.system_prompt, teacher.adapter, teacher.steering) for teacher in teachers}
    if len(known) < len(teachers):
        raise UserError(
            "two of the teachers are the same",
            where=", ".join(teacher.label for teacher in teachers),
            fix="name each once, and the factual one not among the counterfactuals",
        )

"""Mean difference of the residual stream between two subjects, over the same chats."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import get_args

import torch
from torch import Tensor

from undertow.errors import UserError
from undertow.generate.prefill import CPU_PASS_TOKENS
from undertow.mechanism.steering.chats import Span, hash_of
from undertow.models import ChatModel, selected_logits
from undertow.models.residual import on_residuals
from undertow.models.steering import Place, SteeringVectors, VectorMeta
from undertow.store.row import Row
from undertow.teachers import Teacher, acting_as
from undertow.tokens.ids import completion_ids
from undertow.training.batches import longest_first

MOST_BLOCKS = 100
PLACES: tuple[Place, ...] = get_args(Place)
Progress = Callable[[int, int], None]
"""Called with (row passes done, row passes in all)."""


def mean_difference(
    chat: ChatModel,
    subject: Teacher,
    against: Teacher,
    rows: Sequence[Row],
    *,
    batch_tokens: int = CPU_PASS_TOKENS,
    progress: Progress | None = None,
) -> SteeringVectors:
    """Return the mean residual of one subject minus that of another, after each decoder layer.

    A row's residual at a place is the mean over its tokens there: those of the assistant header,
    which every row has, and those of the completion, its end included. Each row counts the same.
    The two subjects may have prompts of different lengths; both places are the same tokens in
    each. Rows are dealt into at most 100 blocks in turn, which the intervals rest on.

    Args:
        chat: The base model of both.
        subject: Whose residuals: a prompted, fine-tuned or steered teacher, or a student.
        against: Whose are subtracted, as the control or another student.
        rows: The chats, without a teacher's prompt. Where one has no completion (`question_rows`),
            there are vectors for the header alone.
        batch_tokens: Tokens computed at once, padding included.
        progress: Told of every batch that is done.

    Raises:
        UserError: There are no rows, or the two are the same.

    Source: mean-difference vectors of prompted teachers and students (Blank et al., 2606.00995).
    """
    if not rows:
        raise UserError("there are no rows to take residuals from")
    if _weights_of(subject) == _weights_of(against):
        raise UserError(
            "the two subjects are the same",
            where=f"{subject.label}, {against.label}",
            fix="compare a teacher or student with the control, or with another one",
        )
    job = _Job(chat, rows, batch_tokens, progress)
    first, second = job.block_sums(subject, 0), job.block_sums(against, 1)
    counts = torch.bincount(job.blocks)
    differences = ((first - second) / counts.to(first)[:, None, None]).float().cpu()
    return SteeringVectors(
        blocks=dict(zip(job.places, differences, strict=True)),
        rows=counts,
        meta=VectorMeta(
            subject=subject.label,
            against=against.label,
            model=chat.fingerprint,
            rows=hash_of(chat, rows),
        ),
    )


class _Job:
    """Chats that two subjects read.

    Attributes:
        places: Where residuals are taken.
        blocks: `[row]`, the block that each row is in.
    """

    def __init__(
        self, chat: ChatModel, rows: Sequence[Row], batch_tokens: int, progress: Progress | None
    ) -> None:
        self._chat, self._rows, self._batch_tokens = chat, rows, batch_tokens
        self._progress = progress
        self._completions = [
            completion_ids(chat, row) if row.token_ids or row.completion else [] for row in rows
        ]
        self.places = PLACES if all(self._completions) else PLACES[:1]
        self.blocks = torch.arange(len(rows)) % MOST_BLOCKS

    def block_sums(self, subject: Teacher, turn: int) -> Tensor:
        """Return `[place, block, layer, d_model]`, sums over the rows of each block, float64.

        Args:
            subject: Who reads.
            turn: How many read before.
        """
        chat = self._chat
        spans = [
            Span.of(chat, row, completion, subject.system_prompt)
            for row, completion in zip(self._rows, self._completions, strict=True)
        ]
        width = int(chat.model.config.get_text_config().hidden_size)
        n_blocks = int(self.blocks.max()) + 1
        shape = (len(self.places), n_blocks, chat.n_layers, width)
        sums = torch.zeros(shape, dtype=torch.float64, device=chat.device)
        done = turn * len(spans)
        with acting_as(chat, subject) as model, torch.no_grad():
            for chosen in longest_first([len(span.ids) for span in spans], self._batch_tokens):
                ids, mask, weights = self._batch([spans[row] for row in chosen])
                blocks = self.blocks[chosen].to(chat.device)

                def add(
                    layer: int, hidden: Tensor, weights: Tensor = weights, blocks: Tensor = blocks
                ) -> None:
                    exact = hidden.to(torch.promote_types(hidden.dtype, torch.float32))
                    means = torch.einsum("pbt,btd->pbd", weights.to(exact), exact)
                    sums[:, :, layer].index_add_(1, blocks, means.double())

                place = ids.new_zeros(1)  # one row of logits, the fewest that a forward gives
                with on_residuals(chat.model, add):
                    selected_logits(model, ids, mask, place, place)
                done += len(chosen)
                if self._progress is not None:
                    self._progress(done, 2 * len(spans))
        return sums

    def _batch(self, spans: Sequence[Span]) -> tuple[Tensor, Tensor, Tensor]:
        """Return ids and mask `[batch, position]`, and weights `[place, batch, position]`."""
        width = max(len(span.ids) for span in spans)
        ids = torch.full((len(spans), width), self._chat.pad_id)
        mask = torch.zeros_like(ids)
        weights = torch.zeros(len(self.places), len(spans), width, dtype=torch.float64)
        for row, span in enumerate(spans):
            ids[row, : len(span.ids)] = torch.tensor(span.ids)
            mask[row, : len(span.ids)] = 1
            bounds = (span.header, span.completion, len(span.ids))
            for place in range(len(self.places)):
                start, end = bounds[place], bounds[place + 1]
                weights[place, row, start:end] = 1 / (end - start)
        device = self._chat.device
        return ids.to(device), mask.to(device), weights.to(device)


def _weights_of(teacher: Teacher) -> tuple[object, ...]:
    """Return what makes a teacher compute what it computes."""
    return teacher.system_prompt, teacher.adapter, teacher.steering

"""The gradient of every row's log-likelihood, many rows in one backward."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from undertow.mechanism.prediction.config import PredictionConfig
from undertow.mechanism.prediction.factors import Factors, attached
from undertow.models import ChatModel, selected_logits
from undertow.training.batches import MicroBatch, longest_first, pack, rounded
from undertow.training.example import Example

Distributions = Callable[[list[int]], Tensor]
"""From rows to `[n, vocab]`: a teacher's probabilities at their supervised tokens, row by row."""


def row_gradients(
    chat: ChatModel,
    factors: Factors,
    examples: Sequence[Example],
    config: PredictionConfig,
    distributions: Distributions | None = None,
) -> Iterator[tuple[list[int], Tensor]]:
    """Yield rows and their gradients `[row, parameter]`, some rows at a time, the longest first.

    A row's gradient is that of the summed log-likelihood of its supervised tokens, each times its
    weight, with respect to the B of `factors`. In float32 at least.

    Args:
        chat: The base model.
        factors: The adapter.
        examples: One for each row; each has supervised tokens.
        config: Size of batches.
        distributions: Of a teacher, in place of the tokens that came.
    """
    for rows in batches(examples, config):
        batch = pack([examples[row] for row in rows], chat.pad_id, chat.device)
        targets = distributions(rows) if distributions else None
        # The factors of the last batch's padding rows have no gradient, and are cut off.
        yield rows, _batch_gradients(chat, factors, batch, targets)[: len(rows)]


def grouped_gradients(
    chat: ChatModel,
    factors: Factors,
    examples: Sequence[Example],
    groups: Sequence[int],
    n_groups: int,
    config: PredictionConfig,
) -> Tensor:
    """Return the summed gradients of groups of rows, `[group, parameter]`.

    Args:
        chat: The base model.
        factors: The adapter.
        examples: One for each row.
        groups: Group of each row.
        n_groups: How many there are.
        config: Size of batches.
    """
    dtype = torch.promote_types(chat.model.dtype, torch.float32)
    total = torch.zeros(n_groups, factors.size, dtype=dtype, device=chat.device)
    for rows, gradients in row_gradients(chat, factors, examples, config):
        total.index_add_(0, torch.tensor([groups[row] for row in rows]).to(total.device), gradients)
    return total


def batches(examples: Sequence[Example], config: PredictionConfig) -> list[list[int]]:
    """Return the rows that are computed at once, those of like lengths together."""
    widths = [rounded(example.length) for example in examples]
    return longest_first(widths, config.batch_tokens, config.batch_rows)


def log_likelihoods(chat: ChatModel, batch: MicroBatch, targets: Tensor | None = None) -> Tensor:
    """Return the weighted log-likelihood of each supervised token, `[n]`, in nats.

    Args:
        chat: The base model.
        batch: The rows.
        targets: `[n, vocab]`, a distribution to take the mean over; None: the token that came.
    """
    logits = selected_logits(chat.model, batch.ids, None, batch.rows, batch.positions)
    logs = logits.to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(-1)
    if targets is None:
        values = logs.gather(-1, batch.targets[:, None]).squeeze(-1)
    else:
        values = (targets * logs).sum(-1)
    return values * batch.weights.to(values.dtype)


def _batch_gradients(
    chat: ChatModel, factors: Factors, batch: MicroBatch, targets: Tensor | None
) -> Tensor:
    """Return `[row, parameter]` of one batch, those of padding rows too."""
    up = [zeros.requires_grad_() for zeros in factors.zeros(len(batch.ids))]
    with torch.enable_grad(), attached(chat.model, factors, up):
        total = log_likelihoods(chat, batch, targets).sum()
        found = torch.autograd.grad(total, up)
    flat = torch.cat([part.flatten(1) for part in found], dim=1)
    return flat.to(torch.promote_types(flat.dtype, torch.float32))

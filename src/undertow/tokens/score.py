"""Argmax and margin at every completion token of many rows, under one teacher."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from undertow.generate.cache import round_up
from undertow.generate.prefill import prefill_prefix, shared_prefix
from undertow.models import selected_logits
from undertow.models.fused import FusedModel

SLOTS = 16  # a row with its prefix takes a multiple: few shapes, and attention kernels like it
SHORTEST_PREFIX = 16  # a cache of less costs more, in masks and copies, than it spares


@dataclass(frozen=True)
class Score:
    """What one teacher would emit at the completion tokens of one row.

    Attributes:
        argmax: `[token]`, the token with the highest raw logit.
        margin: `[token]`, its lead over the second, in logits.
    """

    argmax: NDArray[np.int64]
    margin: NDArray[np.float64]


@dataclass(frozen=True)
class Batch:
    """Rows that are scored at once, behind what all rows begin with.

    Attributes:
        ids: `[row, position]`, padded on the right, where no real token sees it.
        lengths: `[row]`, tokens that are no padding.
        rows: `[n]`, row of each completion token, row after row.
        positions: `[n]`, position whose logits predict it.
    """

    ids: Tensor
    lengths: Tensor
    rows: Tensor
    positions: Tensor


Logits = Callable[[Batch], Tensor]
"""Returns `[n, vocab]`, the logits that predict a batch's completion tokens."""


def score(
    model: PreTrainedModel,
    fused: FusedModel | None,
    prompts: Sequence[Sequence[int]],
    completions: Sequence[Sequence[int]],
    *,
    n_layers: int,
    pad_id: int,
    batch_tokens: int,
    done: Callable[[int], None],
) -> list[Score]:
    """Score every completion on its own prefix; no logits are kept.

    What all prompts begin with is computed once. The rows behind it are sorted by length.

    Args:
        model: The teacher's weights.
        fused: The same in fused layers, where there is such a way.
        prompts: Token ids of each rendered prompt, the teacher's system prompt included.
        completions: Token ids that follow; none is empty.
        n_layers: Decoder layers of the model.
        pad_id: Any valid token.
        batch_tokens: Tokens computed at once.
        done: Told how many rows are new after every batch.
    """
    prefix = shared_prefix([tuple(prompt) for prompt in prompts])
    start = len(prefix) if len(prefix) >= SHORTEST_PREFIX else 0
    sequences = [
        [*prompt[start:], *completion[:-1]]
        for prompt, completion in zip(prompts, completions, strict=True)
    ]
    order = sorted(range(len(sequences)), key=lambda row: len(sequences[row]), reverse=True)
    scores: dict[int, Score] = {}
    with torch.no_grad():
        shared = torch.tensor(prefix[:start], device=model.device)
        logits = _fused(fused, shared) if fused else _plain(model, shared, n_layers)
        while len(scores) < len(order):
            width = round_up(start + len(sequences[order[len(scores)]]), SLOTS) - start
            n_rows = max(1, batch_tokens // width)
            chosen = order[len(scores) : len(scores) + n_rows]
            counts = [len(completions[row]) for row in chosen]
            ids = np.full((n_rows, width), pad_id, np.int64)  # the last batch keeps the shape
            batch = _batch([sequences[row] for row in chosen], counts, ids, model.device)
            argmax, margin = _top_two(logits(batch))
            splits = np.cumsum(counts)[:-1]
            pairs = zip(np.split(argmax, splits), np.split(margin, splits), strict=True)
            scores.update(zip(chosen, (Score(*pair) for pair in pairs), strict=True))
            done(len(chosen))
    return [scores[row] for row in range(len(sequences))]


def _batch(
    sequences: Sequence[Sequence[int]],
    counts: Sequence[int],
    ids: NDArray[np.int64],
    device: torch.device,
) -> Batch:
    """Write rows into `[row, position]` of padding; their last `counts` positions are wanted."""
    lengths = np.zeros(len(ids), np.int64)
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence)] = sequence
        lengths[row] = len(sequence)
    ends = np.cumsum(counts)
    rows = np.repeat(np.arange(len(counts)), counts)
    positions = lengths[rows] - ends[rows] + np.arange(ends[-1])
    arrays = (ids, lengths, rows, positions)
    return Batch(*(torch.from_numpy(array).to(device) for array in arrays))


def _fused(fused: FusedModel, shared: Tensor) -> Logits:
    """Return the fast way to logits behind some `[token]` that all rows share."""
    prefix = fused.prefix(shared) if len(shared) else None
    return lambda batch: fused.logits(batch.ids, batch.lengths, batch.rows, batch.positions, prefix)


def _plain(model: PreTrainedModel, shared: Tensor, n_layers: int) -> Logits:
    """Return the way that every model knows."""
    start = len(shared)
    cache = prefill_prefix(model, shared.tolist(), n_layers) if start else None

    def logits(batch: Batch) -> Tensor:
        n_rows, width = batch.ids.shape
        end = start + width
        mask = None
        if cache is not None:  # slots that no token has been written to
            mask = torch.zeros(n_rows, round_up(end), dtype=torch.long, device=model.device)
            mask[:, :end] = 1
        return selected_logits(
            model,
            batch.ids,
            mask,
            batch.rows,
            batch.positions,
            position_ids=torch.arange(start, end, device=model.device).expand(n_rows, -1),
            past_key_values=cache.expanded(n_rows, end) if cache is not None else None,
        )

    return logits


def _top_two(logits: Tensor) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the first maximum of `[n, vocab]` and its lead; the logits are overwritten."""
    best, argmax = logits.max(dim=-1)
    logits.scatter_(-1, argmax[:, None], -torch.inf)
    margin = best.double() - logits.amax(dim=-1).double()
    return argmax.cpu().numpy(), margin.cpu().numpy()

"""Argmax and margin at every completion token of many rows, under one teacher."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from undertow.generate.cache import BlockCache, round_up
from undertow.generate.prefill import prefill_prefix, shared_prefix
from undertow.models import selected_logits

WIDTH = 16  # widths are rounded up to it: few shapes, each compiled once on a CPU
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


def score(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    completions: Sequence[Sequence[int]],
    *,
    n_layers: int,
    pad_id: int,
    batch_tokens: int,
    done: Callable[[int], None],
) -> list[Score]:
    """Score every completion on its own prefix; no logits are kept.

    What all prompts begin with is computed once. The rows behind it are sorted by length, and
    their padding stands on the right, where no real token sees it.

    Args:
        model: The teacher's weights.
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
        cache = prefill_prefix(model, prefix[:start], n_layers) if start else None
        while len(scores) < len(order):
            width = round_up(len(sequences[order[len(scores)]]), WIDTH)
            n_rows = max(1, batch_tokens // width)
            batch = order[len(scores) : len(scores) + n_rows]
            ids = np.full((n_rows, width), pad_id, np.int64)  # the last batch keeps the shape
            for place, row in enumerate(batch):
                ids[place, : len(sequences[row])] = sequences[row]
            counts = [len(completions[row]) for row in batch]
            ends = [len(sequences[row]) for row in batch]
            argmax, margin = _score_batch(model, torch.from_numpy(ids), ends, counts, cache)
            splits = np.cumsum(counts)[:-1]
            pairs = zip(np.split(argmax, splits), np.split(margin, splits), strict=True)
            scores.update(zip(batch, (Score(*pair) for pair in pairs), strict=True))
            done(len(batch))
    return [scores[row] for row in range(len(sequences))]


def _score_batch(
    model: PreTrainedModel,
    ids: Tensor,
    ends: Sequence[int],
    counts: Sequence[int],
    prefix: BlockCache | None,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Score the last `counts` positions before `ends` of every row, all rows in one line."""
    n_rows, width = ids.shape
    rows = np.repeat(np.arange(len(counts)), counts)
    positions = np.concatenate(
        [np.arange(end - count, end) for end, count in zip(ends, counts, strict=True)]
    )
    start = prefix.length if prefix is not None else 0
    mask = None
    if prefix is not None:  # slots that no token has been written to
        mask = torch.zeros(n_rows, round_up(start + width), dtype=torch.long, device=model.device)
        mask[:, : start + width] = 1
    logits = selected_logits(
        model,
        ids.to(model.device),
        mask,
        torch.from_numpy(rows).to(model.device),
        torch.from_numpy(positions).to(model.device),
        position_ids=torch.arange(start, start + width, device=model.device).expand(n_rows, -1),
        past_key_values=prefix.expanded(n_rows, start + width) if prefix is not None else None,
    )
    return _top_two(logits)


def _top_two(logits: Tensor) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the first maximum of `[n, vocab]` and its lead; the logits are overwritten."""
    best, argmax = logits.max(dim=-1)
    logits.scatter_(-1, argmax[:, None], -torch.inf)
    margin = best.double() - logits.amax(dim=-1).double()
    return argmax.cpu().numpy(), margin.cpu().numpy()

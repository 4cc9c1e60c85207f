"""The logits that predict the completion tokens of many rows, and a number made of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from undertow.generate.behind import Batch, logits_behind
from undertow.generate.cache import round_up
from undertow.generate.prefill import shared_prefix
from undertow.models.fused import FusedModel
from undertow.tokens.rendered import Rendered

SLOTS = 16  # a row with its prefix takes a multiple: few shapes, and attention kernels like it
SHORTEST_PREFIX = 16  # a cache of less costs more, in masks and copies, than it spares
SLICE = 256  # tokens reduced at once: bounds the memory for large vocabularies

Scalar = TypeVar("Scalar", bound=np.generic)
Reduce = Callable[[Tensor, Tensor], Tensor]
"""From logits `[n, vocab]` and the tokens that came, `[n]`, to a number for each, `[n]`."""


@dataclass(frozen=True)
class Forced:
    """The logits of some rows.

    Attributes:
        rows: Which rows.
        counts: Completion tokens of each.
        logits: `[n, vocab]`, what predicts these tokens, row after row.
    """

    rows: list[int]
    counts: list[int]
    logits: Tensor

    def split(self, values: NDArray[Scalar]) -> list[NDArray[Scalar]]:
        """Return `[n]` values of the tokens row by row."""
        return np.split(values, np.cumsum(self.counts)[:-1])


def forced_logits(
    model: PreTrainedModel,
    fused: FusedModel | None,
    rows: Rendered,
    batch_tokens: int,
) -> Iterator[Forced]:
    """Yield the logits of all rows, some rows at a time, the longest first.

    Teacher-forced: every token is predicted from the row's own tokens before it. What all prompts
    begin with is computed once.

    Args:
        model: The model, with its adapter.
        fused: The same in fused layers, where there is such a way.
        rows: The rows.
        batch_tokens: Tokens computed at once, padding included.
    """
    prefix = shared_prefix([tuple(prompt) for prompt in rows.prompts])
    start = len(prefix) if len(prefix) >= SHORTEST_PREFIX else 0
    sequences = [
        [*prompt[start:], *completion[:-1]]
        for prompt, completion in zip(rows.prompts, rows.completions, strict=True)
    ]
    order = sorted(range(len(sequences)), key=lambda row: len(sequences[row]), reverse=True)
    with torch.no_grad():
        logits = logits_behind(model, fused, prefix[:start], rows.n_layers)
    done = 0
    while done < len(order):
        width = round_up(start + len(sequences[order[done]]), SLOTS) - start
        n_rows = max(1, batch_tokens // width)
        chosen = order[done : done + n_rows]
        counts = [len(rows.completions[row]) for row in chosen]
        ids = np.full((n_rows, width), rows.pad_id, np.int64)  # the last batch keeps the shape
        batch = _batch([sequences[row] for row in chosen], counts, ids, model.device)
        with torch.no_grad():
            found = logits(batch)
        yield Forced(chosen, counts, found)
        done += len(chosen)


def forced_values(
    model: PreTrainedModel,
    fused: FusedModel | None,
    rows: Rendered,
    reduce: Reduce,
    batch_tokens: int,
) -> list[NDArray[np.float64]]:
    """Return per row a number for each completion token, `[token]`, in float64.

    Args:
        model: The model, with its adapter.
        fused: The same in fused layers, where there is such a way.
        rows: The rows; there may be none.
        reduce: Makes a number of the logits and the token that came.
        batch_tokens: Tokens computed at once, padding included.
    """
    values: dict[int, NDArray[np.float64]] = {}
    if not rows.prompts:
        return []
    for part in forced_logits(model, fused, rows, batch_tokens):
        came = torch.tensor([token for row in part.rows for token in rows.completions[row]])
        came = came.to(part.logits.device)
        pairs = zip(part.logits.split(SLICE), came.split(SLICE), strict=True)
        # Logits in half precision are reduced in float32.
        line = [reduce(logits.to(_at_least_float32(logits)), tokens) for logits, tokens in pairs]
        found = torch.cat(line).double().cpu().numpy()
        values.update(zip(part.rows, part.split(found), strict=True))
    return [values[row] for row in range(len(rows.prompts))]


def entropy(logits: Tensor, _: Tensor) -> Tensor:
    """Return the entropy of each distribution in nats."""
    return torch.special.entr(logits.softmax(-1)).sum(-1)


def log_probability(logits: Tensor, came: Tensor) -> Tensor:
    """Return the log-probability of each token that came, in nats."""
    return logits.gather(-1, came[:, None]).squeeze(-1) - logits.logsumexp(-1)


def _at_least_float32(logits: Tensor) -> torch.dtype:
    """Return the number format in which logits are reduced."""
    return torch.promote_types(logits.dtype, torch.float32)


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

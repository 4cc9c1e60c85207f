"""The logits of rows behind tokens that they all begin with, which are computed once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel

from undertow.generate.cache import round_up
from undertow.generate.prefill import prefill_prefix
from undertow.models import gathered_mlp, selected_logits
from undertow.models.fused import FusedModel


@dataclass(frozen=True)
class Batch:
    """Rows that are computed at once, behind what all rows begin with.

    Attributes:
        ids: `[row, position]`, padded on the right, where no real token sees it.
        lengths: `[row]`, tokens that are no padding.
        rows: `[n]`, row of each place whose logits are wanted.
        positions: `[n]`, its position.
    """

    ids: Tensor
    lengths: Tensor
    rows: Tensor
    positions: Tensor


Logits = Callable[[Batch], Tensor]
"""Returns `[n, vocab]`, the logits at the places that a batch asks for."""


def logits_behind(
    model: PreTrainedModel, fused: FusedModel | None, shared: Sequence[int], n_layers: int
) -> Logits:
    """Return the way to logits behind some tokens that all rows begin with; there may be none.

    Without gradients: what is called, and the call of what is returned.

    Args:
        model: The model, with its adapter.
        fused: The same in fused layers, where there is such a way.
        shared: Token ids.
        n_layers: Decoder layers of the model.
    """
    return _fused(model, fused, shared) if fused else _plain(model, shared, n_layers)


def batch_of(
    lines: Sequence[Sequence[int]], places: Sequence[tuple[int, int]], device: torch.device
) -> Batch:
    """Return rows of token ids of any lengths, and the (row, position) places wanted in them."""
    longest = max(map(len, lines))
    ids = torch.tensor([[*line, *[0] * (longest - len(line))] for line in lines], device=device)
    lengths = torch.tensor([len(line) for line in lines], device=device)
    return Batch(ids, lengths, *torch.tensor(places, device=device).unbind(1))


def _fused(model: PreTrainedModel, fused: FusedModel, shared: Sequence[int]) -> Logits:
    """Return the fast way."""
    prefix = fused.prefix(torch.tensor(shared, device=model.device)) if shared else None
    return lambda batch: fused.logits(batch.ids, batch.lengths, batch.rows, batch.positions, prefix)


def _plain(model: PreTrainedModel, shared: Sequence[int], n_layers: int) -> Logits:
    """Return the way that every model knows."""
    start = len(shared)
    cache = prefill_prefix(model, shared, n_layers) if start else None

    def logits(batch: Batch) -> Tensor:
        n_rows, width = batch.ids.shape
        end = start + width
        mask = None
        if cache is not None:  # slots that no token has been written to
            mask = torch.zeros(n_rows, round_up(end), dtype=torch.long, device=model.device)
            mask[:, :end] = 1
        with gathered_mlp(model, batch.rows, batch.positions):
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

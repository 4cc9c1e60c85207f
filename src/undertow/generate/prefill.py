"""The prompt pass: what all prompts begin with once, each prompt once, then rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

import torch
from torch import Tensor
from transformers import PreTrainedModel

from undertow.generate.cache import BlockCache, round_up
from undertow.models import selected_logits

SUFFIX_MULTIPLE = 16


@dataclass
class Prefilled:
    """Rows that are ready for their first token; all end at the same slot.

    Attributes:
        cache: Keys and values of the prompts, one row each.
        mask: `[batch, slot]`, 0 for the padding in front.
        lengths: `[batch]`, tokens in each prompt: the position of the next token.
        logits: `[batch, vocab]` for the next token.
    """

    cache: BlockCache
    mask: Tensor
    lengths: Tensor
    logits: Tensor

    def select(self, rows: Tensor) -> None:
        """Keep the given rows, `[n]`, in their order."""
        self.cache.select(rows)
        self.mask, self.lengths = self.mask[rows], self.lengths[rows]
        self.logits = self.logits[rows]


def shared_prefix(prompts: Sequence[tuple[int, ...]]) -> list[int]:
    """Return what all prompts begin with, leaving at least one token to each."""
    first, last = min(prompts), max(prompts)  # what these two share, all between them share
    pairs = zip(first, last, strict=False)
    shared = [a for a, _ in takewhile(lambda pair: pair[0] == pair[1], pairs)]
    return shared[: min(len(prompt) for prompt in prompts) - 1]


def prefill_prefix(model: PreTrainedModel, prefix: Sequence[int], n_layers: int) -> BlockCache:
    """Return the cache of the shared prefix, one row."""
    cache = BlockCache(n_layers)
    if prefix:
        ids = torch.tensor([prefix], device=model.device)
        none = torch.zeros(1, dtype=torch.long, device=model.device)
        mask = _ones(1, len(prefix), model.device)
        selected_logits(model, ids, mask, none, none, past_key_values=cache)
    return cache


def prefill(
    model: PreTrainedModel,
    prefix: BlockCache,
    suffixes: Sequence[Sequence[int]],
    pad_id: int,
    n_rows: int,
) -> Prefilled:
    """Run the prompts behind their shared prefix, and align them to the right.

    Padding stands behind the suffixes during the pass, where causality hides it, so that
    suffixes follow the prefix without a gap; sliding windows count slots.

    Args:
        model: The model, with its adapter.
        prefix: Cache of what all prompts begin with, one row.
        suffixes: The rest of each prompt, not empty.
        pad_id: Any valid token.
        n_rows: Shape of the batch; fillers repeat the last prompt.
    """
    lengths = [len(suffix) for suffix in suffixes]
    width = round_up(max(lengths), SUFFIX_MULTIPLE)
    padded = [[*suffix, *[pad_id] * (width - len(suffix))] for suffix in suffixes]
    padded += padded[-1:] * (n_rows - len(padded))
    ids = torch.tensor(padded, device=model.device)
    counts = torch.tensor(lengths + lengths[-1:] * (n_rows - len(lengths)), device=model.device)
    start = prefix.length
    cache = prefix.expanded(n_rows)
    logits = selected_logits(
        model,
        ids,
        _ones(n_rows, start + width, model.device),
        torch.arange(n_rows, device=model.device),
        counts - 1,
        position_ids=torch.arange(start, start + width, device=model.device).expand(n_rows, -1),
        past_key_values=cache,
    )
    shifts = width - counts
    cache.align_right(shifts, start + width)
    slots = torch.arange(start + width, device=model.device)
    mask = (slots >= shifts.unsqueeze(1)).long()
    return Prefilled(cache, mask, start + counts, logits)


def _ones(n_rows: int, width: int, device: torch.device) -> Tensor:
    """Return a mask over the slots that a pass sees; the empty ones at the end are masked."""
    return torch.nn.functional.pad(
        torch.ones(n_rows, width, dtype=torch.long, device=device), (0, round_up(width) - width)
    )

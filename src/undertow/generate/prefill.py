"""The prompt pass: what all prompts begin with once, each prompt once, then rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

import torch
from torch import Tensor
from transformers import PreTrainedModel

from undertow.generate.cache import BlockCache, join_aligned, round_up
from undertow.models import selected_logits

SUFFIX_MULTIPLE = 16
# On a CPU, what a pass computes should stay in the cache of the processor.
CPU_PASS_TOKENS = 2048
GPU_PASS_TOKENS = 32768


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
    copies: Sequence[int],
    pad_id: int,
) -> Prefilled:
    """Run each prompt once behind the shared prefix; return its copies, aligned to the right.

    Args:
        model: The model, with its adapter.
        prefix: Cache of what all prompts begin with, one row.
        suffixes: The rest of each prompt, not empty, shortest first.
        copies: How many rows of the batch each prompt gets.
        pad_id: Any valid token.
    """
    length = prefix.length + len(suffixes[-1])
    passes: list[_Pass] = []
    start = 0
    while start < len(suffixes):
        n_prompts = _pass_rows([len(suffix) for suffix in suffixes[start:]], model.device)
        part = suffixes[start : start + n_prompts]
        passes.append(_run_pass(model, prefix, part, n_prompts, pad_id))
        start += n_prompts
    return _joined(passes, torch.tensor(copies, device=model.device), length)


@dataclass
class _Pass:
    """Prompts that ran together.

    Attributes:
        cache: One row per prompt, and fillers.
        lengths: `[prompt]`, tokens in each prompt.
        logits: `[prompt, vocab]` for the next token.
    """

    cache: BlockCache
    lengths: Tensor
    logits: Tensor


def _pass_rows(lengths: Sequence[int], device: torch.device) -> int:
    """Return how many of the prompts to run together: a power of two, of a bounded size."""
    budget = CPU_PASS_TOKENS if device.type == "cpu" else GPU_PASS_TOKENS
    rows = 1
    while rows < len(lengths) and 2 * rows * lengths[min(2 * rows, len(lengths)) - 1] <= budget:
        rows *= 2
    return rows


def _run_pass(
    model: PreTrainedModel,
    prefix: BlockCache,
    suffixes: Sequence[Sequence[int]],
    n_rows: int,
    pad_id: int,
) -> _Pass:
    """Run some prompts behind their prefix.

    Padding stands behind the suffixes, where causality hides it, so that they follow the prefix
    without a gap; sliding windows count slots. Fillers make up the `n_rows`.
    """
    device, start = model.device, prefix.length
    width = round_up(max(map(len, suffixes)), SUFFIX_MULTIPLE)
    padded = [[*suffix, *[pad_id] * (width - len(suffix))] for suffix in suffixes]
    padded += [[pad_id] * width] * (n_rows - len(padded))
    counts = torch.tensor([len(suffix) for suffix in suffixes], device=device)
    cache = prefix.expanded(n_rows, start + width)
    logits = selected_logits(
        model,
        torch.tensor(padded, device=device),
        _ones(n_rows, start + width, device),
        torch.arange(len(suffixes), device=device),
        counts - 1,
        position_ids=torch.arange(start, start + width, device=device).expand(n_rows, -1),
        past_key_values=cache,
    )
    return _Pass(cache, start + counts, logits)


def _joined(passes: Sequence[_Pass], copies: Tensor, length: int) -> Prefilled:
    """Put the copies of all prompts into one batch."""
    parts = copies.split([len(one.lengths) for one in passes])
    rows = [torch.arange(len(n), device=n.device).repeat_interleave(n) for n in parts]
    lengths = [one.lengths[taken] for one, taken in zip(passes, rows, strict=True)]
    shifts = [length - each for each in lengths]
    cache = join_aligned([one.cache for one in passes], rows, shifts, length)
    slots = torch.arange(length, device=copies.device)
    mask = (slots >= torch.cat(shifts).unsqueeze(1)).long()
    logits = torch.cat([one.logits[taken] for one, taken in zip(passes, rows, strict=True)])
    return Prefilled(cache, mask, torch.cat(lengths), logits)


def _ones(n_rows: int, width: int, device: torch.device) -> Tensor:
    """Return a mask over the slots that a pass sees; the empty ones at the end are masked."""
    ones = torch.ones(n_rows, width, dtype=torch.long, device=device)
    return torch.nn.functional.pad(ones, (0, round_up(width) - width))

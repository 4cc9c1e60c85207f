"""A KV cache of few fixed shapes whose rows can be aligned and selected.

Every layer keeps every position, sliding layers too: rows are aligned to the right after the
prompt pass, and a layer that had dropped old slots would have dropped those of short rows.
What a sliding layer may see is then decided by its mask alone, on slots that lie as far apart
as the tokens in them, since no row has a gap.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import Cache
from transformers.cache_utils import DynamicLayer

BLOCK = 32


def round_up(n: int, multiple: int = BLOCK) -> int:
    """Return the smallest multiple that is not below n."""
    return -(-n // multiple) * multiple


class BlockLayer(DynamicLayer):
    """Keys and values `[batch, head, slot, dim]` in a buffer that grows by whole blocks.

    Attention sees the buffer with its empty slots, which the causal mask hides; so shapes change
    once per block and not at every token.
    """

    keys: Tensor
    values: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.length = 0

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Start with no slot at all."""
        self.dtype, self.device = key_states.dtype, key_states.device
        self.keys = key_states[:, :, :0]
        self.values = value_states[:, :, :0]
        self.is_initialized = True

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Write new positions behind the old ones; return the whole buffers."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        end = self.length + key_states.shape[-2]
        missing = round_up(end) - self.keys.shape[-2]
        if missing > 0:
            self.keys = torch.nn.functional.pad(self.keys, (0, 0, 0, missing))
            self.values = torch.nn.functional.pad(self.values, (0, 0, 0, missing))
        self.keys[:, :, self.length : end] = key_states
        self.values[:, :, self.length : end] = value_states
        self.length = end
        return self.keys, self.values

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Return how many slots attention will see, and the first of them."""
        return round_up(self.length + query_length), 0

    def get_seq_length(self) -> int:
        """Return the number of slots written."""
        return self.length


class BlockCache(Cache):
    """One `BlockLayer` per decoder layer."""

    def __init__(self, n_layers: int) -> None:
        self.blocks = [BlockLayer() for _ in range(n_layers)]
        super().__init__(layers=list(self.blocks))

    @property
    def length(self) -> int:
        """Slots written, padding included."""
        return max(block.length for block in self.blocks)

    def select(self, rows: Tensor) -> None:
        """Keep the given rows, `[n]`, in their order; one may come several times."""
        for block in self._used():
            block.keys = block.keys.index_select(0, rows)
            block.values = block.values.index_select(0, rows)

    def expanded(self, n_rows: int) -> BlockCache:
        """Return a cache of n rows, each of them the one row of this cache."""
        copy = BlockCache(len(self.blocks))
        for old, new in zip(self.blocks, copy.blocks, strict=True):
            if old.is_initialized:
                # Not a view: the first write would go to all rows at once.
                new.keys = old.keys.repeat(n_rows, 1, 1, 1)
                new.values = old.values.repeat(n_rows, 1, 1, 1)
                new.length, new.is_initialized = old.length, True
                new.dtype, new.device = old.dtype, old.device
        return copy

    def align_right(self, shifts: Tensor, length: int) -> None:
        """Move the slots of each row by its shift, `[batch]`, and let the cache end at `length`.

        What stands in the first `shift` slots of a row afterwards means nothing; it is to be
        masked.
        """
        for block in self._used():
            slots = torch.arange(round_up(length), device=block.device)
            source = (slots - shifts.unsqueeze(1)).clamp(0, block.keys.shape[-2] - 1)
            index = source[:, None, :, None]
            block.keys = block.keys.take_along_dim(index, dim=2)
            block.values = block.values.take_along_dim(index, dim=2)
            block.length = length

    def _used(self) -> list[BlockLayer]:
        """Return the layers that have been written; some models share one among several."""
        return [block for block in self.blocks if block.is_initialized]

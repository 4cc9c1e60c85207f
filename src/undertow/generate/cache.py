"""A KV cache of few fixed shapes whose rows can be aligned and selected.

Every layer keeps every position, sliding layers too: rows are aligned to the right after the
prompt pass, and a layer that drops old slots would lose those that a shorter row still needs.
What a sliding layer may see is then decided by its mask alone, on slots that lie as far apart
as the tokens in them, since no row has a gap.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import Cache
from transformers.cache_utils import DynamicLayer

BLOCK = 32


def round_up(n: int, multiple: int = BLOCK) -> int:
    """Return the smallest multiple that is not below n."""
    return -(-n // multiple) * multiple


class BlockLayer(DynamicLayer):
    """Keys and values in buffers that grow by whole blocks.

    Attention sees the buffers with their empty slots, which the causal mask hides; so shapes
    change once per block and not at every token. A lone first token sees itself only: transformers
    drops the mask of a pass of one token behind nothing, and the empty slots would count.

    Attributes:
        buffers: Keys and values, each `[batch, head, slot, dim]`, dense: attention reads the slots
            of a head one after the other.
        length: Slots written.
    """

    def __init__(self) -> None:
        super().__init__()
        self.buffers: list[Tensor] = []
        self.length = 0

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Write `[batch, head, position, dim]` behind the old; return all, in the same order."""
        new = [key_states, value_states]
        if not self.buffers:
            self.buffers = [states[:, :, :0] for states in new]
            self.is_initialized = True
        end = self.length + key_states.shape[2]
        missing = round_up(end) - self.buffers[0].shape[2]
        if missing > 0:
            self.buffers = [pad(buffer, (0, 0, 0, missing)) for buffer in self.buffers]
        for buffer, states in zip(self.buffers, new, strict=True):
            buffer[:, :, self.length : end] = states
        self.length = end
        keys, values = self.buffers
        return (key_states, value_states) if end == 1 else (keys, values)

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Return how many slots attention will see, and the first of them."""
        end = self.length + query_length
        return (1 if end == 1 else round_up(end)), 0

    def get_seq_length(self) -> int:
        """Return the number of slots written."""
        return self.length


class BlockCache(Cache):
    """One `BlockLayer` per decoder layer; those of models that share caches stay empty."""

    def __init__(self, n_layers: int) -> None:
        self.blocks = [BlockLayer() for _ in range(n_layers)]
        super().__init__(layers=list(self.blocks))

    @property
    def length(self) -> int:
        """Slots written, padding included."""
        return max(block.length for block in self.blocks)

    def select(self, rows: Tensor) -> None:
        """Keep the given rows, `[n]`, in their order; one may come several times."""
        for block in self.blocks:
            block.buffers = [buffer.index_select(0, rows) for buffer in block.buffers]

    def expanded(self, n_rows: int, length: int) -> BlockCache:
        """Return n rows, each a copy of the one row here, with room for `length` slots."""
        copy = BlockCache(len(self.blocks))
        for old, new in zip(self.blocks, copy.blocks, strict=True):
            new.buffers = _empty(old, n_rows, length)
            new.length, new.is_initialized = old.length, old.is_initialized
            for buffer, source in zip(new.buffers, old.buffers, strict=True):
                buffer[:, :, : old.length] = source[:, :, : old.length]
        return copy


def join_aligned(
    parts: Sequence[BlockCache], rows: Sequence[Tensor], shifts: Sequence[Tensor], length: int
) -> BlockCache:
    """Return one cache of chosen rows of several, each moved so that all end at one slot.

    Args:
        parts: Caches of one model.
        rows: Of each part, the rows to take, `[n]`; one may come several times.
        shifts: Of each part, how far each row taken moves, `[n]`. What then stands in the first
            `shift` slots means nothing; it is to be masked.
        length: Slots of the result.
    """
    joined = BlockCache(len(parts[0].blocks))
    n_rows = sum(map(len, rows))
    for layer, block in enumerate(joined.blocks):
        block.buffers = _empty(parts[0].blocks[layer], n_rows, length)
        block.length, block.is_initialized = length, bool(block.buffers)
    start = 0
    for part, taken, moved in zip(parts, rows, shifts, strict=True):
        for source, block in zip(part.blocks, joined.blocks, strict=True):
            for old, new in zip(source.buffers, block.buffers, strict=True):
                n_heads, n_slots = old.shape[1:3]
                slots = torch.arange(new.shape[2], device=new.device) - moved.unsqueeze(1)
                heads = torch.arange(n_heads, device=new.device) + taken.unsqueeze(1) * n_heads
                index = heads.unsqueeze(2) * n_slots + slots.clamp(0, n_slots - 1).unsqueeze(1)
                target = new[start : start + len(taken)].flatten(0, 2)
                torch.index_select(old.flatten(0, 2), 0, index.flatten(), out=target)
        start += len(taken)
    return joined


def _empty(like: BlockLayer, n_rows: int, length: int) -> list[Tensor]:
    """Return zeroed buffers; what is masked must still be finite."""
    return [
        buffer.new_zeros(n_rows, buffer.shape[1], round_up(length), buffer.shape[3])
        for buffer in like.buffers
    ]

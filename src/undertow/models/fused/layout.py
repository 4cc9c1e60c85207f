"""How rows without padding relate to the padded batch, which attention alone sees."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

BLOCK = 32  # slots; attention kernels take queries in blocks of it


@dataclass(frozen=True)
class Layout:
    """Where each token of some rows stands, and what it may look at.

    Attributes:
        n_rows: Rows of the batch.
        width: Slots of a row.
        start: Tokens in front of them that all rows share; they are not computed.
        slots: `[n]`, slot of each token in the flattened padded batch.
        tokens: `[row * (start + width)]`, token in each slot, the shared ones counted first;
            any where there is none.
        wanted: `[m]`, tokens whose logits are wanted.
        half: Slots in the first half of a row; 0 where a row is not halved.
        mask: `[width, start + width]`, what is added to attention scores.
    """

    n_rows: int
    width: int
    start: int
    slots: Tensor
    tokens: Tensor
    wanted: Tensor
    half: int
    mask: Tensor

    @classmethod
    def of(
        cls,
        width: int,
        lengths: Tensor,
        rows: Tensor,
        positions: Tensor,
        start: int,
        dtype: torch.dtype,
    ) -> Layout:
        """Lay out rows of some lengths, `[row]`; wanted are the `[m]` (row, position) pairs."""
        end = start + width
        middle = -(-(start + end) // (2 * BLOCK)) * BLOCK
        half = middle - start if middle < end else 0
        places = torch.arange(end, device=lengths.device)
        real = (places[:width] < lengths.unsqueeze(1)).flatten()
        own = (real.cumsum(0) - 1).clamp_(min=0)
        shared = places[:start].expand(len(lengths), start)
        tokens = torch.cat([shared, own.view(-1, width) + start], dim=1).flatten()
        hidden = places > places[start:].unsqueeze(1)
        mask = hidden.new_zeros(hidden.shape, dtype=dtype).masked_fill_(hidden, -torch.inf)
        wanted = own[rows * width + positions]
        slots = real.nonzero().squeeze(1)
        return cls(len(lengths), width, start, slots, tokens, wanted, half, mask)

    @property
    def positions(self) -> Tensor:
        """Position of each token in its row, `[n]`."""
        return self.slots % self.width + self.start

    @property
    def first_mask(self) -> Tensor | None:
        """The first half's; None where queries and keys begin alike: kernels know that case."""
        return self.mask[: self.half, : self.start + self.half] if self.start else None

    @property
    def second_mask(self) -> Tensor:
        """The second half's, which looks at all keys."""
        return self.mask[self.half :]

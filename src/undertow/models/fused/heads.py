"""From projections to attention's heads and back, with their own gradients."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor
from torch.nn.functional import silu

from undertow.models.fused.layout import Layout

Heads = tuple[Tensor, Tensor, Tensor]
"""Queries, keys and values, each `[row, head, slot, head_dim]`."""


def interleaved(qkv: list[Any], head_dim: int) -> Tensor:
    """Return the order of outputs in which the two numbers that rotate together are neighbours.

    Queries and keys alike, so that their products stay what they are; then a rotation is a
    product of complex numbers.
    """
    sizes = [layer.out_features for layer in qkv]
    order = torch.arange(sum(sizes), device=qkv[0].weight.device)
    rotated = order[: sizes[0] + sizes[1]].view(-1, 2, head_dim // 2)
    order[: sizes[0] + sizes[1]] = rotated.transpose(1, 2).flatten()
    return order


def rotation_of(cos: Tensor, sin: Tensor, n_heads: int) -> Tensor:
    """Return `[token, n_heads * head_dim / 2]` complex numbers of `[1, token, head_dim]` angles."""
    half = cos.shape[-1] // 2
    return torch.complex(cos[0, :, :half], sin[0, :, :half]).repeat(1, n_heads)


def to_heads(
    qkv: Tensor,
    rotation: Tensor,
    layout: Layout,
    n_heads: tuple[int, int, int],
    shared: Tensor | None,
) -> tuple[Heads, Heads]:
    """Rotate queries and keys, in place, and lay the rows side by side.

    Args:
        qkv: `[token, out]`.
        rotation: `[token, out of queries and keys / 2]` complex numbers.
        layout: Of the tokens.
        n_heads: Heads of queries, keys and values.
        shared: `[token, out]`, rotated, of what all rows begin with; gets no gradient.

    Returns:
        The heads of the first half of each row, then the second half's queries with all keys and
        values: so the first half is not held against keys that it cannot see.
    """
    heads: Any = _ToHeads.apply(qkv, rotation, layout, n_heads, shared)
    return heads[:3], heads[3:]


def from_heads(first: Tensor | None, second: Tensor, slots: Tensor, layout: Layout) -> Tensor:
    """Take the tokens in some slots out of the two halves' heads: `[slot, d]`.

    The second may lack some of its first slots, where none of these stands.
    """
    return cast(Tensor, _FromHeads.apply(first, second, slots, layout))


def gated_silu(gate_up: Tensor) -> Tensor:
    """Return `silu(gate) * up` of `[n, gate and up]`."""
    return cast(Tensor, _GatedSilu.apply(gate_up))


def _split_heads(padded: Tensor, layout: Layout, n_heads: tuple[int, int, int]) -> Heads:
    """Return queries, keys and values of all slots, views of `[slot, out]`."""
    heads = padded.view(layout.n_rows, layout.start + layout.width, sum(n_heads), -1)
    return cast(Heads, heads.transpose(1, 2).split(n_heads, dim=1))


def _as_complex(qkv: Tensor, n: int) -> Tensor:
    """Return n complex numbers a row, a view of the first 2 n numbers of `[token, out]`."""
    return torch.view_as_complex(qkv[:, : 2 * n].unflatten(1, (n, 2)))


class _ToHeads(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        qkv: Tensor,
        rotation: Tensor,
        layout: Layout,
        n_heads: tuple[int, int, int],
        shared: Tensor | None,
    ) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(rotation)
        ctx.layout, ctx.n_heads, ctx.n_out = layout, n_heads, qkv.shape[1]
        _as_complex(qkv, rotation.shape[1]).mul_(rotation)
        if shared is not None:
            qkv = torch.cat([shared, qkv])
        heads = _split_heads(qkv.index_select(0, layout.tokens), layout, n_heads)
        query, key, value = heads
        middle = layout.start + layout.half
        first = query[:, :, layout.start : middle], key[:, :, :middle], value[:, :, :middle]
        return *first, query[:, :, middle:], key, value

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        (rotation,) = ctx.saved_tensors
        layout: Layout = ctx.layout
        first, second = cast(Any, gradients[:3]), cast(Any, gradients[3:])
        padded = second[0].new_empty(len(layout.tokens), ctx.n_out)
        query, key, value = _split_heads(padded, layout, ctx.n_heads)
        query[:, :, layout.half :] = second[0]
        key.copy_(second[1])
        value.copy_(second[2])
        if first[0] is None:
            query[:, :, : layout.half] = 0.0
        else:
            query[:, :, : layout.half] = first[0]
            key[:, :, : layout.half] += first[1]
            value[:, :, : layout.half] += first[2]
        gradient = padded.index_select(0, layout.slots)
        _as_complex(gradient, rotation.shape[1]).mul_(rotation.conj())
        return gradient, None, None, None, None


class _FromHeads(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, first: Tensor | None, second: Tensor, slots: Tensor, layout: Layout
    ) -> Tensor:
        ctx.save_for_backward(slots)
        ctx.layout, ctx.has_first, ctx.n_second = layout, first is not None, second.shape[2]
        n_rows, n_heads, _, head_dim = second.shape
        padded = second.new_empty(n_rows, layout.width, n_heads, head_dim).transpose(1, 2)
        ctx.heads = n_heads, head_dim
        padded[:, :, layout.width - ctx.n_second :] = second
        if first is not None:
            padded[:, :, : layout.half] = first
        return padded.transpose(1, 2).flatten(0, 1).flatten(1).index_select(0, slots)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (slots,) = ctx.saved_tensors
        layout: Layout = ctx.layout
        out = gradients[0].new_zeros(layout.n_rows * layout.width, gradients[0].shape[1])
        out.index_copy_(0, slots, gradients[0])
        heads = out.view(layout.n_rows, layout.width, *ctx.heads).transpose(1, 2)
        first = heads[:, :, : layout.half] if ctx.has_first else None
        return first, heads[:, :, layout.width - ctx.n_second :], None, None


class _GatedSilu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gate_up: Tensor) -> Tensor:
        gate, up = gate_up.chunk(2, dim=1)
        opened = silu(gate)
        ctx.save_for_backward(gate_up, opened)
        return opened * up

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        gate_up, opened = ctx.saved_tensors
        gate, up = gate_up.chunk(2, dim=1)
        out = torch.empty_like(gate_up)
        into_gate, into_up = out.chunk(2, dim=1)
        torch.mul(gradients[0], opened, out=into_up)
        torch.mul(gradients[0], up, out=into_gate)
        into_gate.copy_(torch.ops.aten.silu_backward(into_gate, gate))
        return out

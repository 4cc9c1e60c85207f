"""Decoder layers of the common kind in a few large pieces, on rows without padding.

A small model on a CPU spends most of a training step on padding, on moving activations between
operations, on adapters that are thin matrices, and on Python. Here the rows of a micro-batch stand
behind each other (only attention sees them side by side), and the last layer goes on, behind
attention, with those positions alone whose logits are wanted.

Of the common kind is a layer that has Llama's parts (norm, rotary attention, norm, gated MLP), in
a model that with such layers gives its own logits: that is tried, no model is known by name.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention, silu
from transformers import PreTrainedModel

from undertow.models import decoder_layers, selected_logits
from undertow.training.batches import MicroBatch, pack
from undertow.training.example import Example
from undertow.training.projections import Projections, join

LAYER_PARTS = ["input_layernorm", "mlp", "post_attention_layernorm", "self_attn"]
ATTENTION_PARTS = ["k_proj", "o_proj", "q_proj", "v_proj"]
BLOCK = 32  # slots; attention kernels take queries in blocks of it
CLOSE = 1e-3  # of the largest logit; another kind of layer is much farther off


@dataclass(frozen=True)
class Layout:
    """How rows without padding relate to the padded batch.

    Attributes:
        n_rows: Rows of the batch.
        width: Slots of a row.
        slots: `[n]`, slot of each token in the flattened padded batch.
        tokens: `[row * width]`, token in each slot; any where there is none.
        wanted: `[m]`, tokens whose logits are wanted.
        half: Slots in the first half of a row; 0 where a row is not halved.
        mask: `[width - half, width]`, what is added to the second half's attention scores.
    """

    n_rows: int
    width: int
    slots: Tensor
    tokens: Tensor
    wanted: Tensor
    half: int
    mask: Tensor

    @classmethod
    def of(cls, batch: MicroBatch, dtype: torch.dtype) -> Layout:
        """Lay out a micro-batch for a model of some number format."""
        n_rows, width = batch.ids.shape
        half = -(-width // (2 * BLOCK)) * BLOCK
        half = half if half < width else 0
        places = torch.arange(width, device=batch.ids.device)
        real = (places < batch.lengths.unsqueeze(1)).flatten()
        tokens = (real.cumsum(0) - 1).clamp_(min=0)
        wanted = tokens[batch.rows * width + batch.positions]
        hidden = places > places[half:].unsqueeze(1)
        mask = hidden.new_zeros(hidden.shape, dtype=dtype).masked_fill_(hidden, -torch.inf)
        return cls(n_rows, width, real.nonzero().squeeze(1), tokens, wanted, half, mask)


@dataclass(frozen=True)
class FusedLayer:
    """One decoder layer.

    Attributes:
        qkv: Query, key and value projections, with the first norm.
        out: The projection behind attention.
        gate_up: Gate and up projections of the MLP, with the second norm.
        down: Its last projection.
        head_dim: Numbers in a head.
        n_heads: Heads of queries, keys and values.
        scale: Of the attention scores.
    """

    qkv: Projections
    out: Projections
    gate_up: Projections
    down: Projections
    head_dim: int
    n_heads: tuple[int, int, int]
    scale: float

    def __call__(self, x: Tensor, rotation: Tensor, layout: Layout, is_last: bool) -> Tensor:
        """Return `[token, d]` of `[token, d]`; of the last layer `[wanted, d]`."""
        heads: Any = _ToHeads.apply(self.qkv(x), rotation, layout, self)
        slots = layout.slots
        if is_last:
            slots, x = slots[layout.wanted], x[layout.wanted]
        first = None
        if layout.half and bool((slots % layout.width < layout.half).any()):
            first = self._attend(heads[:3], None)
        second = self._attend(heads[3:], layout.mask)
        x = self.out(cast(Tensor, _FromHeads.apply(first, second, slots, layout)), x)
        return self.down(cast(Tensor, _GatedSilu.apply(self.gate_up(x))), x)

    def _attend(self, heads: tuple[Tensor, Tensor, Tensor], mask: Tensor | None) -> Tensor:
        """Return `[row, head, query, head_dim]`; without a mask queries see no later key."""
        return scaled_dot_product_attention(
            *heads,
            attn_mask=mask,
            is_causal=mask is None,
            scale=self.scale,
            enable_gqa=self.n_heads[0] != self.n_heads[1],
        )


def fused_layer(layer: nn.Module) -> FusedLayer | None:
    """Return a decoder layer in large pieces; None where it is of another kind, or does not pay."""
    parts: Any = layer
    if sorted(name for name, _ in layer.named_children()) != LAYER_PARTS:
        return None
    attention, mlp = parts.self_attn, parts.mlp
    if sorted(name for name, _ in attention.named_children()) != ATTENTION_PARTS:
        return None
    if getattr(attention, "sliding_window", None) is not None or not hasattr(mlp, "gate_proj"):
        return None
    head_dim: int = attention.head_dim
    qkv = [attention.q_proj, attention.k_proj, attention.v_proj]
    first, second = parts.input_layernorm, parts.post_attention_layernorm
    joined = (
        join(qkv, first.weight, first.variance_epsilon, _interleaved(qkv, head_dim)),
        join([attention.o_proj]),
        join([mlp.gate_proj, mlp.up_proj], second.weight, second.variance_epsilon),
        join([mlp.down_proj]),
    )
    if any(one is None for one in joined):
        return None
    pieces = cast(tuple[Projections, Projections, Projections, Projections], joined)
    n_query, n_key, n_value = (layer.out_features // head_dim for layer in qkv)
    return FusedLayer(*pieces, head_dim, (n_query, n_key, n_value), attention.scaling)


class FusedModel:
    """A model whose layers are all fused."""

    def __init__(self, model: PreTrainedModel, layers: list[FusedLayer]) -> None:
        self._model = model
        self._modules = list(decoder_layers(model))
        self._layers = layers

    @classmethod
    def of(cls, model: PreTrainedModel) -> FusedModel | None:
        """Return the model in fused layers, or None where that is not possible or does not pay."""
        layers = [fused_layer(layer) for layer in decoder_layers(model)]
        if any(layer is None for layer in layers):
            return None
        fused = cls(model, cast(list[FusedLayer], layers))
        ids = [number % model.config.get_text_config().vocab_size for number in range(11)]
        rows = [Example(row, [0.0, *[1.0] * (len(row) - 1)]) for row in (ids, ids[3:])]
        batch = pack(rows, 0, model.device)
        with torch.no_grad():
            expected = selected_logits(model, batch.ids, None, batch.rows, batch.positions)
            found = fused.logits(batch)
        return fused if (found - expected).abs().max() <= CLOSE * expected.abs().max() else None

    def logits(self, batch: MicroBatch) -> Tensor:
        """Return `[n, vocab]`, the logits that predict a micro-batch's supervised tokens."""
        layout = Layout.of(batch, self._model.dtype)
        positions = layout.slots % layout.width
        with self._patched(layout):
            output: Any = self._model(
                input_ids=batch.ids.flatten()[layout.slots].unsqueeze(0),
                position_ids=positions.unsqueeze(0),
                attention_mask=torch.zeros(1, 1, 1, 1, device=batch.ids.device),  # not looked at
                use_cache=False,
            )
        return output.logits[0]

    @contextmanager
    def _patched(self, layout: Layout) -> Generator[None]:
        """Within, the model's own forward runs on the fused layers."""
        modules = self._modules
        rotations: list[Tensor] = []

        def patch(number: int) -> None:
            fused = self._layers[number]

            def forward(x: Tensor, *_: Any, position_embeddings: Any, **__: Any) -> Tensor:
                if not rotations:  # all layers turn alike
                    cos, sin = position_embeddings
                    rotations.append(_rotation(cos, sin, sum(fused.n_heads[:2])))
                is_last = number == len(modules) - 1
                return fused(x[0], rotations[0], layout, is_last).unsqueeze(0)

            modules[number].forward = forward

        try:
            for number in range(len(modules)):
                patch(number)
            yield
        finally:
            for module in modules:
                del module.forward


def _interleaved(qkv: list[Any], head_dim: int) -> Tensor:
    """Return the order of outputs in which the two numbers that rotate together are neighbours.

    Queries and keys alike, so that their products stay what they are; then a rotation is a
    product of complex numbers.
    """
    sizes = [layer.out_features for layer in qkv]
    order = torch.arange(sum(sizes), device=qkv[0].weight.device)
    rotated = order[: sizes[0] + sizes[1]].view(-1, 2, head_dim // 2)
    order[: sizes[0] + sizes[1]] = rotated.transpose(1, 2).flatten()
    return order


def _rotation(cos: Tensor, sin: Tensor, n_heads: int) -> Tensor:
    """Return `[token, n_heads * head_dim / 2]` complex numbers of `[1, token, head_dim]` angles."""
    half = cos.shape[-1] // 2
    return torch.complex(cos[0, :, :half], sin[0, :, :half]).repeat(1, n_heads)


def _split_heads(padded: Tensor, layout: Layout, layer: FusedLayer) -> tuple[Tensor, ...]:
    """Return queries, keys and values `[row, head, slot, head_dim]`, views of `[slot, out]`."""
    heads = padded.view(layout.n_rows, layout.width, sum(layer.n_heads), layer.head_dim)
    return heads.transpose(1, 2).split(layer.n_heads, dim=1)


def _as_complex(qkv: Tensor, n: int) -> Tensor:
    """Return n complex numbers a row, a view of the first 2 n numbers of `[token, out]`."""
    return torch.view_as_complex(qkv[:, : 2 * n].unflatten(1, (n, 2)))


class _ToHeads(torch.autograd.Function):
    """Rotates queries and keys, and lays the rows side by side, all `[row, head, slot, head_dim]`.

    Returns queries, keys and values of the first half of each row, then the second half's queries
    with all keys and values: so the first half is not held against keys that it cannot see.
    """

    @staticmethod
    def forward(
        ctx: Any, qkv: Tensor, rotation: Tensor, layout: Layout, layer: FusedLayer
    ) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(rotation)
        ctx.layout, ctx.layer = layout, layer
        _as_complex(qkv, rotation.shape[1]).mul_(rotation)  # in place: nothing else reads it
        query, key, value = _split_heads(qkv.index_select(0, layout.tokens), layout, layer)
        first = (each[:, :, : layout.half] for each in (query, key, value))
        return *first, query[:, :, layout.half :], key, value

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        (rotation,) = ctx.saved_tensors
        layout: Layout = ctx.layout
        first, second = cast(Any, gradients[:3]), cast(Any, gradients[3:])
        padded = second[0].new_empty(
            len(layout.tokens), ctx.layer.head_dim * sum(ctx.layer.n_heads)
        )
        query, key, value = _split_heads(padded, layout, ctx.layer)
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
        return gradient, None, None, None


class _FromHeads(torch.autograd.Function):
    """Takes the tokens in some slots out of the two halves' heads: `[slot, d]`."""

    @staticmethod
    def forward(
        ctx: Any, first: Tensor | None, second: Tensor, slots: Tensor, layout: Layout
    ) -> Tensor:
        ctx.save_for_backward(slots)
        ctx.layout, ctx.has_first, ctx.n_heads = layout, first is not None, second.shape[1]
        n_rows, n_heads, _, head_dim = second.shape
        padded = second.new_empty(n_rows, layout.width, n_heads, head_dim).transpose(1, 2)
        padded[:, :, layout.half :] = second
        if first is not None:
            padded[:, :, : layout.half] = first
        return padded.transpose(1, 2).flatten(0, 1).flatten(1).index_select(0, slots)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (slots,) = ctx.saved_tensors
        layout: Layout = ctx.layout
        out = gradients[0].new_zeros(len(layout.tokens), gradients[0].shape[1])
        out.index_copy_(0, slots, gradients[0])
        heads = out.view(layout.n_rows, layout.width, ctx.n_heads, -1).transpose(1, 2)
        first = heads[:, :, : layout.half] if ctx.has_first else None
        return first, heads[:, :, layout.half :], None, None


class _GatedSilu(torch.autograd.Function):
    """`silu(gate) * up` of `[n, gate and up]`."""

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

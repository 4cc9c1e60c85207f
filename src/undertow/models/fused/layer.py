"""One decoder layer in a few large pieces.

Of the common kind is a layer that has Llama's parts (norm, rotary attention, norm, gated MLP), in
a model that with such layers gives its own logits: that is tried, no model is known by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from undertow.models.fused.heads import Heads, from_heads, gated_silu, interleaved, to_heads
from undertow.models.fused.layout import Layout
from undertow.models.fused.projections import Projections, join

LAYER_PARTS = ["input_layernorm", "mlp", "post_attention_layernorm", "self_attn"]
ATTENTION_PARTS = ["k_proj", "o_proj", "q_proj", "v_proj"]


@dataclass(frozen=True)
class FusedLayer:
    """One decoder layer.

    Attributes:
        qkv: Query, key and value projections, with the first norm.
        out: The projection behind attention.
        gate_up: Gate and up projections of the MLP, with the second norm.
        down: Its last projection.
        n_heads: Heads of queries, keys and values.
        scale: Of the attention scores.
    """

    qkv: Projections
    out: Projections
    gate_up: Projections
    down: Projections
    n_heads: tuple[int, int, int]
    scale: float

    def __call__(
        self,
        x: Tensor,
        qkv: Tensor,
        rotation: Tensor,
        layout: Layout,
        is_last: bool,
        shared: Tensor | None = None,
    ) -> Tensor:
        """Return `[token, d]`; of the last layer `[wanted, d]`.

        Args:
            x: `[token, d]`.
            qkv: `[token, out]`, what `self.qkv` makes of it; is rotated in place.
            rotation: `[token, out of queries and keys / 2]` complex numbers.
            layout: Of the tokens.
            is_last: Whether the layer is the last one.
            shared: `[token, out]`, the rotated `qkv` of what all rows begin with.
        """
        first_heads, second_heads = to_heads(qkv, rotation, layout, self.n_heads, shared)
        slots, start = layout.slots, 0
        if is_last:  # nobody asks in front of the first that is wanted
            slots, x = slots[layout.wanted], x[layout.wanted]
            start = int((slots % layout.width).min()) if len(slots) else layout.width - 1
        with_first = start < layout.half
        skipped = max(start - layout.half, 0)
        queries, keys, values = second_heads
        first = self._attend(first_heads, layout.first_mask) if with_first else None
        asking = queries[:, :, skipped:], keys, values
        second = self._attend(asking, layout.second_mask[skipped:])
        x = self.out(from_heads(first, second, slots, layout), x)
        return self.down(gated_silu(self.gate_up(x)), x)

    def _attend(self, heads: Heads, mask: Tensor | None) -> Tensor:
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
    if _slides(attention) or not hasattr(mlp, "gate_proj"):
        return None
    head_dim: int = attention.head_dim
    qkv = [attention.q_proj, attention.k_proj, attention.v_proj]
    first, second = parts.input_layernorm, parts.post_attention_layernorm
    joined = (
        join(qkv, first.weight, first.variance_epsilon, interleaved(qkv, head_dim)),
        join([attention.o_proj]),
        join([mlp.gate_proj, mlp.up_proj], second.weight, second.variance_epsilon),
        join([mlp.down_proj]),
    )
    if any(one is None for one in joined):
        return None
    pieces = cast(tuple[Projections, Projections, Projections, Projections], joined)
    n_query, n_key, n_value = (layer.out_features // head_dim for layer in qkv)
    return FusedLayer(*pieces, (n_query, n_key, n_value), attention.scaling)


def _slides(attention: Any) -> bool:
    """Return whether a layer sees the last positions only.

    Where layers do not say it, the configuration does, for all of them alike.
    """
    config = getattr(attention, "config", None)
    window = getattr(attention, "sliding_window", getattr(config, "sliding_window", None))
    return window is not None

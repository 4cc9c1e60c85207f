"""Projections with their adapters added in: one wide product for several, norm and sum included.

Beside the wide product of its base layer a LoRA layer multiplies by two thin matrices, which a
processor does at a small part of its speed, and moves whole activations for the sum. For small
layers it is quicker to add the adapter to the weight first, one wide product forward, and to take
the adapter's gradients from the full weight's. Projections that read the same input are one
product, and the weight of the norm before them is part of theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import torch
from peft.tuners.lora import Linear
from torch import Tensor, nn

from undertow.models.adapters import MERGED_DTYPES

ADAPTER = "default"
# How many times as long a multiplication in a thin matrix takes, roughly; measured on the shapes of
# the lab model.
THIN_COST = 16
# Multiplications per token of a weight that is merged. Above it the copy takes more memory than
# fewer products are worth.
LARGEST = 2**20


@dataclass(frozen=True)
class Adapter:
    """A LoRA adapter of some outputs of a group.

    Attributes:
        rows: The outputs.
        down: `[rank, in]`.
        up: `[out, rank]`.
        scale: Of its product.
    """

    rows: slice
    down: Tensor
    up: Tensor
    scale: float


@dataclass(frozen=True)
class Projections:
    """Linear layers of one input, as one weight.

    Attributes:
        weight: `[out, in]`, the bases below each other; they are not trained.
        bias: `[out]`, or None where no layer has one.
        adapters: Those that are trained.
        norm: `[in]`, weight of the norm in front; None where there is no norm.
        epsilon: Of the norm.
        order: `[out]`, the output that comes in each place; None leaves them as they are.
    """

    weight: Tensor
    bias: Tensor | None
    adapters: tuple[Adapter, ...]
    norm: Tensor | None = None
    epsilon: float = 0.0
    order: Tensor | None = None

    def merged(self) -> Tensor:
        """Return the weight `[out, in]` with adapters, norm and order in it."""
        return self._merge() if self.adapters else self._fixed

    @cached_property
    def _fixed(self) -> Tensor:
        """The merged weight where nothing is trained."""
        return self._merge()

    def _merge(self) -> Tensor:
        weight = self.weight.clone()
        for one in self.adapters:
            weight[one.rows].addmm_(one.up, one.down, alpha=one.scale)
        if self.norm is not None:
            weight *= self.norm
        return weight if self.order is None else weight[self.order]

    def adapter_gradients(self, full: Tensor) -> list[Tensor]:
        """Return the gradients of `down` and `up` of every adapter, given the merged weight's."""
        if self.order is not None:
            full = torch.empty_like(full).index_copy_(0, self.order, full)
        if self.norm is not None:
            full = full * self.norm
        found: list[Tensor] = []
        for one in self.adapters:
            part = full[one.rows] * one.scale
            found += [one.up.t() @ part, part @ one.down.t()]
        return found

    def __call__(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        """Return `[n, out]` of `[n, in]`, with `residual` added where there is one."""
        trained = [tensor for one in self.adapters for tensor in (one.down, one.up)]
        return cast(Tensor, _Project.apply(x, residual, self, *trained))


def join(
    layers: Sequence[nn.Module],
    norm: Tensor | None = None,
    epsilon: float = 0.0,
    order: Tensor | None = None,
) -> Projections | None:
    """Return linear layers, adapted or plain, as one; None where that is not exact or not quicker.

    Exact, up to rounding, needs number formats in which a small change of a weight is not lost,
    and no dropout between the input and the adapter.
    """
    if not all(_pays(layer) for layer in layers):
        return None
    adapters: list[Adapter] = []
    weights: list[Tensor] = []
    biases: list[Tensor | None] = []
    start = 0
    for module in layers:
        adapted: Any = module if isinstance(module, Linear) else None
        base: Any = module if adapted is None else adapted.get_base_layer()
        rows = slice(start, start := start + base.out_features)
        weights.append(base.weight.detach())
        biases.append(base.bias)
        if adapted is not None:
            down, up = adapted.lora_A[ADAPTER].weight, adapted.lora_B[ADAPTER].weight
            adapters.append(Adapter(rows, down, up, adapted.scaling[ADAPTER]))
    weight = torch.cat(weights)
    bias = None
    if any(one is not None for one in biases):
        pairs = zip(biases, weights, strict=True)
        bias = torch.cat([w.new_zeros(len(w)) if b is None else b.detach() for b, w in pairs])
        bias = bias if order is None else bias[order]
    return Projections(weight, bias, tuple(adapters), norm, epsilon, order)


def _pays(module: nn.Module) -> bool:
    """Return whether a layer can be merged, exactly and with profit."""
    base = module.get_base_layer() if isinstance(module, Linear) else module
    if type(base) is not nn.Linear or base.weight.dtype not in MERGED_DTYPES:
        return False
    size = base.in_features * base.out_features
    if not isinstance(module, Linear):
        return size <= LARGEST
    plain = isinstance(module.lora_dropout[ADAPTER], nn.Identity) and not module.lora_variant
    thin = cast(int, module.r[ADAPTER]) * (base.in_features + base.out_features)
    return plain and size <= THIN_COST * thin


class _Project(torch.autograd.Function):
    """`residual + norm(x) W^T + bias`, with gradients for `x`, `residual` and the adapters."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, residual: Tensor | None, group: Projections, *trained: Tensor
    ) -> Tensor:
        merged = group.merged()
        inverse = None
        if group.norm is not None:
            length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
            inverse = length.square_().div_(x.shape[-1]).add_(group.epsilon).rsqrt_()
            x = x * inverse
        ctx.save_for_backward(x, merged, inverse)
        ctx.group = group
        if residual is None:
            return nn.functional.linear(x, merged, group.bias)
        out = torch.addmm(residual, x, merged.t())
        return out if group.bias is None else out.add_(group.bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        x, merged, inverse = ctx.saved_tensors
        into_x = gradient @ merged if ctx.needs_input_grad[0] else None
        if into_x is not None and inverse is not None:
            mean = (into_x * x).sum(-1, keepdim=True).div_(x.shape[-1])
            into_x.addcmul_(x, mean, value=-1).mul_(inverse)
        group: Projections = ctx.group
        trained = group.adapter_gradients(gradient.t() @ x) if group.adapters else []
        return into_x, gradient if ctx.needs_input_grad[1] else None, None, *trained

"""The residual stream after decoder layers: seen, or changed on its way."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack, contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from undertow.models.layers import decoder_layers
from undertow.models.logits import selected_logits

OnResidual = Callable[[int, Tensor], Tensor | None]
"""Called with a layer's index and its output `[batch, position, d_model]`; returns what goes on in
its place, or None to leave it."""


@contextmanager
def on_residuals(
    model: PreTrainedModel, call: OnResidual, layers: Iterable[int] | None = None
) -> Generator[None]:
    """Within, `call` is told what decoder layers put out, and may change it.

    Layers may return their hidden states alone or first in a tuple. The hooks sit on the layers,
    which an adapter leaves in their place (`activated`), so they act under any adapter that is put
    on within or was before, and in `FusedModel`, which replaces what a layer computes and not the
    layer. There only the tokens at hand are seen, as `[1, token, d_model]`, and of the last layer
    only those whose logits are wanted.

    Args:
        model: A causal language model, also one that peft has wrapped.
        call: What is called, behind every layer that runs.
        layers: Indices of layers, from 0; None for all.

    Raises:
        UserError: The layers cannot be found.
    """
    modules = decoder_layers(model)
    with ExitStack() as stack:
        for layer in range(len(modules)) if layers is None else layers:
            handle = modules[layer].register_forward_hook(_hook(call, layer))
            stack.callback(handle.remove)
        yield


@contextmanager
def begun_above(
    model: PreTrainedModel, layer: int, hidden: Tensor, in_tuple: bool
) -> Generator[None]:
    """Within, the layers up to one compute nothing, and what goes on behind it is `hidden`.

    The model's own forward still makes masks and rotary angles, from the ids that it is given.
    Hooks that were there before, as those of steering, act on the layers above alone: `hidden` is
    what they left.

    Args:
        model: A causal language model, also one that peft has wrapped.
        layer: The layer whose output is given.
        hidden: `[batch, position, d_model]`.
        in_tuple: Whether the layers give their hidden states in a tuple.
    """
    output = (hidden,) if in_tuple else hidden
    silenced = list(decoder_layers(model))[: layer + 1]
    try:
        for module in silenced:
            module.forward = lambda *_, **__: output
        with on_residuals(model, lambda *_: hidden, [layer]):
            yield
    finally:
        for module in silenced:
            del module.forward


def gives_tuples(model: PreTrainedModel) -> bool:
    """Return whether the layers give their hidden states in a tuple; found by running a token."""
    found: list[bool] = []

    def look(_: nn.Module, __: Any, output: Any) -> None:
        found.append(isinstance(output, tuple))

    handle = decoder_layers(model)[0].register_forward_hook(look)
    try:
        place = torch.zeros(1, dtype=torch.long, device=model.device)
        with torch.no_grad():
            selected_logits(model, place[None], None, place, place)
    finally:
        handle.remove()
    return found[0]


def _hook(call: OnResidual, layer: int) -> Callable[[nn.Module, Any, Any], Any]:
    """Return the forward hook of one layer."""

    def hook(_: nn.Module, __: Any, output: Any) -> Any:
        if isinstance(output, tuple):
            hidden, *rest = cast("tuple[Any, ...]", output)
            changed = call(layer, hidden)
            return None if changed is None else (changed, *rest)
        return call(layer, output)

    return hook

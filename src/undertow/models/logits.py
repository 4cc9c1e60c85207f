"""Logits only where they are asked for."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Cache, PreTrainedModel
from transformers.pytorch_utils import Conv1D

from undertow.models.layers import decoder_layers


@contextmanager
def gathered_head(model: nn.Module, rows: Tensor, positions: Tensor) -> Generator[None]:
    """Within, the head sees the hidden states `[1, n, d_model]` of n (row, position) pairs only.

    The rows are gathered in front of the output embedding, so that whatever the model's own
    forward does to logits (soft caps, scaling) still applies.

    Args:
        model: A causal language model, also one that peft has wrapped.
        rows: `[n]`, index in the batch.
        positions: `[n]`, index in the `input_ids` of the forward.
    """

    def gather(_: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        hidden, *rest = arguments
        return (hidden[rows, positions].unsqueeze(0), *rest)

    head: Any = model.get_output_embeddings()  # pyright: ignore[reportCallIssue]
    handle = head.register_forward_pre_hook(gather)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def gathered_mlp(model: PreTrainedModel, rows: Tensor, positions: Tensor) -> Generator[None]:
    """Within, the last layer's MLP sees the n (row, position) pairs only, and adds to them alone.

    It works token by token, and nothing behind it looks at other positions, so that the logits at
    these pairs are what they are. The last layer's residual stream is so nowhere else; where that
    is wanted, this must not be used. Nothing happens where the layer has no `mlp` that is made of
    linear projections.

    Args:
        model: A causal language model, also one that peft has wrapped.
        rows: `[n]`, index in the batch.
        positions: `[n]`, index in the `input_ids` of the forward.
    """
    mlp = getattr(decoder_layers(model)[-1], "mlp", None)
    if mlp is None or not _is_linear(mlp):
        yield
        return
    whole = mlp.forward

    def forward(hidden: Tensor) -> Tensor:
        found = whole(hidden[rows, positions].unsqueeze(0))[0]
        return torch.zeros_like(hidden).index_put((rows, positions), found)

    mlp.forward = forward
    try:
        yield
    finally:
        del mlp.forward


def _is_linear(module: nn.Module) -> bool:
    """Return whether all parameters of a module are those of linear projections in it."""
    inner = [one for one in module.modules() if isinstance(one, nn.Linear | Conv1D)]
    own = sum(len(list(one.parameters(recurse=False))) for one in inner)
    return bool(own) and own == len(list(module.parameters()))


def selected_logits(
    model: PreTrainedModel,
    input_ids: Tensor,
    attention_mask: Tensor | None,
    rows: Tensor,
    positions: Tensor,
    *,
    position_ids: Tensor | None = None,
    past_key_values: Cache | None = None,
) -> Tensor:
    """Run one forward and return the logits at the (row, position) pairs only.

    Args:
        model: A causal language model, also one that peft has wrapped.
        input_ids: `[batch, position]`.
        attention_mask: `[batch, past + position]`, 0 for padding; None where there is none.
        rows: `[n]`, index in the batch.
        positions: `[n]`, index in `input_ids`.
        position_ids: `[batch, position]`; needed where padding stands in front of tokens.
        past_key_values: Cache of the positions before `input_ids`; extended in place.

    Returns:
        `[n, vocab]`, in the model's number format.
    """
    with gathered_head(model, rows, positions):
        output: Any = model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            use_cache=past_key_values is not None,
        )
    return output.logits[0]

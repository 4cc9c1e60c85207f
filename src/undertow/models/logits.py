"""Logits only where they are asked for."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from transformers import Cache, PreTrainedModel


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

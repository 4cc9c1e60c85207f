"""The decoding loop over one batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from undertow.generate.cache import round_up
from undertow.generate.config import GenerationConfig
from undertow.generate.prefill import Prefilled
from undertow.generate.sampling import choose_tokens

SMALLEST_BATCH = 8


def batch_shape(n_rows: int, limit: int) -> int:
    """Return the rows of the batch that n rows are put in: a power of two, or the limit."""
    size = min(SMALLEST_BATCH, limit)
    while size < n_rows:
        size *= 2
    return min(size, limit)


def decode(
    model: PreTrainedModel,
    state: Prefilled,
    n_rows: int,
    uniforms: Tensor,
    end_ids: Sequence[int],
    config: GenerationConfig,
) -> list[list[int]]:
    """Draw tokens until every row has ended; the end token stays in the ids.

    When half of a batch or more has ended, the others move to a smaller one.

    Args:
        model: The model, with its adapter.
        state: Prompts, as `prefill` left them; used up.
        n_rows: Rows that are wanted; those behind them in the batch only fill it.
        uniforms: `[row, step]`.
        end_ids: Tokens that end a row.
        config: How tokens are chosen.

    Returns:
        The token ids of each row.
    """
    completions: list[list[int]] = [[] for _ in range(n_rows)]
    size = len(state.lengths)
    slots = [slot if slot < n_rows else -1 for slot in range(size)]  # row in each slot; -1: none
    for step in range(config.max_new_tokens):
        tokens = choose_tokens(state.logits, uniforms[slots, step], config)
        for slot, token in enumerate(tokens.tolist()):
            if slots[slot] >= 0:
                completions[slots[slot]].append(token)
                slots[slot] = -1 if token in end_ids else slots[slot]
        live = [slot for slot, row in enumerate(slots) if row >= 0]
        if not live or step + 1 == config.max_new_tokens:
            break
        if (shape := batch_shape(len(live), size)) * 2 <= size:
            kept = live + live[-1:] * (shape - len(live))
            slots = [slots[slot] for slot in live] + [-1] * (shape - len(live))
            chosen = torch.tensor(kept, device=tokens.device)
            state.select(chosen)
            tokens, size = tokens[chosen], shape
        _advance(model, state, tokens)
    return completions


def _advance(model: PreTrainedModel, state: Prefilled, tokens: Tensor) -> None:
    """Append a token `[batch]` to every row, and get the logits for the next."""
    state.mask = torch.nn.functional.pad(state.mask, (0, 1), value=1)
    width = state.mask.shape[1]
    output: Any = model(
        input_ids=tokens.unsqueeze(1),
        attention_mask=torch.nn.functional.pad(state.mask, (0, round_up(width) - width)),
        position_ids=state.lengths.unsqueeze(1),
        past_key_values=state.cache,
        use_cache=True,
    )
    state.lengths = state.lengths + 1
    state.logits = output.logits[:, -1]

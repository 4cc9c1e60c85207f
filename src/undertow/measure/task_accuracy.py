"""Task accuracy: how well a model predicts what the teacher wrote, token by token."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import torch
from pydantic import Field
from transformers import PreTrainedModel

from undertow.channels import Channel
from undertow.errors import UserError
from undertow.frozen import Frozen
from undertow.models import ChatModel, activated, decode_completion, prompt_ids, selected_logits
from undertow.store.row import Row
from undertow.tokens.ids import completion_ids

BATCH = 64
GRID = 16  # lengths are rounded up to it: few shapes, each compiled once on a CPU


class TaskAccuracy(Frozen):
    """How often a model's likeliest token is the one that stands in the data."""

    tokens: float = Field(description="Share of tokens predicted, the end of the turn included.")
    numbers: float = Field(
        description="Share of the channel's items predicted at their place, mean over rows."
    )
    n_rows: int = Field(description="Rows it rests on.")
    n_tokens: int = Field(description="Tokens it rests on.")


def task_accuracy(
    chat: ChatModel, rows: Sequence[Row], channel: Channel, *, adapter: str | Path | None = None
) -> TaskAccuracy:
    """Return how well a model predicts the completions of rows, best ones it has not seen.

    Teacher-forced: every token is predicted from the prompt and the data's own tokens before it,
    by the argmax of the logits. The predicted tokens of a row, read as text, are compared with
    the row's completion by the channel. Source: paper, Fig. 28.

    Args:
        chat: The base model.
        rows: Accepted rows. One without token ids is tokenised from its text.
        channel: Compares predicted and stored text.
        adapter: Folder of an adapter; None for the base.

    Raises:
        UserError: There are no rows.
    """
    if not rows:
        raise UserError("there are no rows to predict", fix="hold some rows out")
    prompts = [prompt_ids(chat, row.messages) for row in rows]
    completions = [completion_ids(chat, row) for row in rows]
    predicted: list[list[int]] = [[] for _ in rows]
    order = sorted(range(len(rows)), key=lambda i: len(prompts[i]) + len(completions[i]))
    with activated(chat, adapter) as model, torch.no_grad():
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            pairs = [(prompts[i], completions[i]) for i in batch]
            for i, ids in zip(batch, _predictions(model, pairs, chat.pad_id), strict=True):
                predicted[i] = ids
    equal = [
        guess == token
        for guesses, tokens in zip(predicted, completions, strict=True)
        for guess, token in zip(guesses, tokens, strict=True)
    ]
    scores = [
        channel.accuracy(decode_completion(chat, ids), row.completion)
        for ids, row in zip(predicted, rows, strict=True)
    ]
    return TaskAccuracy(
        tokens=sum(equal) / len(equal),
        numbers=sum(scores) / len(scores),
        n_rows=len(rows),
        n_tokens=len(equal),
    )


def _predictions(
    model: PreTrainedModel, pairs: Sequence[tuple[list[int], list[int]]], pad_id: int
) -> list[list[int]]:
    """Return the argmax at every completion token of (prompt, completion) pairs."""
    longest = max(len(prompt) + len(completion) for prompt, completion in pairs)
    width = -(-longest // GRID) * GRID
    # Padding stands on the right, where causality hides it.
    lines = [[*p, *c, *[pad_id] * (width - len(p) - len(c))] for p, c in pairs]
    places = [(row, len(p) + k - 1) for row, (p, c) in enumerate(pairs) for k in range(len(c))]
    rows, positions = torch.tensor(places, device=model.device).unbind(1)
    ids = torch.tensor(lines, device=model.device)
    guesses = iter(selected_logits(model, ids, None, rows, positions).argmax(-1).tolist())
    return [list(islice(guesses, len(completion))) for _, completion in pairs]

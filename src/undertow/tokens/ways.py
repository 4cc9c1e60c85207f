"""Ways to score the same rows: all say the same but for rounding."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from transformers import PreTrainedModel

from undertow.models import ChatModel, selected_logits
from undertow.models.fused import FusedModel
from undertow.tokens.rendered import Rendered
from undertow.tokens.score import Score, joined, score, top_two

PADDING = 64
"""Tokens of padding in front of or behind every row, beyond what the longest needs."""

ROWS = 8
"""Rows of a padded batch."""


def as_scanned(
    model: PreTrainedModel, fused: FusedModel | None, rows: Rendered, batch_tokens: int
) -> Score:
    """Score rows as the scan does; their tokens in one line, in the order of the rows."""
    return joined(score(model, fused, rows, batch_tokens, done=lambda _: None))


def other_ways(
    chat: ChatModel,
    model: PreTrainedModel,
    fused: FusedModel | None,
    rows: Rendered,
    batch_tokens: int,
) -> dict[str, Callable[[], Score]]:
    """Return the other ways to score in the same number format, by name.

    Args:
        chat: The base.
        model: The teacher, which stands on it.
        fused: The same in fused layers, where there is such a way.
        rows: What is scored.
        batch_tokens: Tokens that the scan computes at once.
    """
    ways: dict[str, Callable[[], Score]] = {
        "batches half as large": lambda: as_scanned(model, fused, rows, max(1, batch_tokens // 2)),
        "one row at a time": lambda: as_scanned(model, fused, rows, 1),
        "no cache, rows as they come": lambda: _padded(model, rows),
        "no cache, the last row first": lambda: _padded(model, rows, backwards=True),
        f"{PADDING} more padding behind": lambda: _padded(model, rows, behind=PADDING),
        f"{PADDING} more padding in front": lambda: _padded(model, rows, ahead=PADDING),
    }
    if fused is not None:
        ways["the model's own layers"] = lambda: as_scanned(model, None, rows, batch_tokens)
    if chat.attention != "eager":

        def eager() -> Score:
            with _other_attention(chat, "eager"):
                return as_scanned(model, None, rows, batch_tokens)

        ways["attention by plain products"] = eager
    return ways


@contextmanager
def _other_attention(chat: ChatModel, kernel: str) -> Generator[None]:
    """Within, the model runs another implementation of attention."""
    own = chat.attention
    try:
        chat.model.set_attn_implementation(kernel)
        yield
    finally:
        chat.model.set_attn_implementation(own)


def _padded(
    model: PreTrainedModel,
    rows: Rendered,
    *,
    ahead: int = 0,
    behind: int = 0,
    backwards: bool = False,
) -> Score:
    """Score rows in plain batches without a cache, in the order of the data.

    Args:
        model: The teacher.
        rows: What is scored.
        ahead: Tokens of padding in front of the longest row of a batch; 0: none in front.
        behind: Tokens behind it.
        backwards: Whether the last row comes first.
    """
    order = list(range(len(rows.prompts)))
    if backwards:
        order.reverse()
    scores: dict[int, Score] = {}
    for start in range(0, len(order), ROWS):
        chosen = order[start : start + ROWS]
        found = _padded_batch(model, rows, chosen, ahead, behind)
        scores.update(zip(chosen, found, strict=True))
    return joined([scores[row] for row in range(len(order))])


@torch.no_grad()
def _padded_batch(
    model: PreTrainedModel, rows: Rendered, chosen: Sequence[int], ahead: int, behind: int
) -> list[Score]:
    """Score some rows at once."""
    prompts = [rows.prompts[row] for row in chosen]
    completions = [rows.completions[row] for row in chosen]
    lines = [[*p, *c[:-1]] for p, c in zip(prompts, completions, strict=True)]
    width = max(map(len, lines)) + ahead + behind
    ids = torch.full((len(lines), width), rows.pad_id)
    mask = torch.zeros_like(ids)
    places: list[tuple[int, int]] = []
    for row, line in enumerate(lines):
        start = width - len(line) if ahead else 0
        ids[row, start : start + len(line)] = torch.tensor(line)
        mask[row, start : start + len(line)] = 1
        first = start + len(prompts[row]) - 1
        places += [(row, first + k) for k in range(len(completions[row]))]
    ids, mask = ids.to(model.device), mask.to(model.device)
    at_rows, positions = torch.tensor(places, device=model.device).unbind(1)
    position_ids = (mask.cumsum(1) - 1).clamp(min=0)
    logits = selected_logits(model, ids, mask, at_rows, positions, position_ids=position_ids)
    ends = np.cumsum([len(completion) for completion in completions])[:-1]
    parts = (np.split(values, ends) for values in top_two(logits))
    return [Score(*pair) for pair in zip(*parts, strict=True)]

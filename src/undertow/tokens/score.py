"""Argmax and margin at every completion token of many rows, under one teacher."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from undertow.models.fused import FusedModel
from undertow.tokens.forced import forced_logits
from undertow.tokens.rendered import Rendered


@dataclass(frozen=True)
class Score:
    """What one teacher would emit at the completion tokens of one row.

    Attributes:
        argmax: `[token]`, the token with the highest raw logit.
        margin: `[token]`, its lead over the second, in logits.
    """

    argmax: NDArray[np.int64]
    margin: NDArray[np.float64]


def score(
    model: PreTrainedModel,
    fused: FusedModel | None,
    rows: Rendered,
    batch_tokens: int,
    done: Callable[[int], None],
) -> list[Score]:
    """Score every completion on its own prefix; no logits are kept.

    What all prompts begin with is computed once. The rows behind it are sorted by length.

    Args:
        model: The teacher's weights.
        fused: The same in fused layers, where there is such a way.
        rows: The rows under the teacher's system prompt.
        batch_tokens: Tokens computed at once.
        done: Told how many rows are new after every batch.
    """
    scores: dict[int, Score] = {}
    for part in forced_logits(model, fused, rows, batch_tokens):
        argmax, margin = top_two(part.logits)
        pairs = zip(part.split(argmax), part.split(margin), strict=True)
        scores.update(zip(part.rows, (Score(*pair) for pair in pairs), strict=True))
        done(len(part.rows))
    return [scores[row] for row in range(len(rows.prompts))]


def top_two(logits: Tensor) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the first maximum of `[n, vocab]` and its lead; the logits are overwritten."""
    best, argmax = logits.max(dim=-1)
    logits.scatter_(-1, argmax[:, None], -torch.inf)
    margin = best.double() - logits.amax(dim=-1).double()
    return argmax.cpu().numpy(), margin.cpu().numpy()


def joined(scores: Sequence[Score]) -> Score:
    """Put the rows' scores into one line."""
    return Score(
        np.concatenate([one.argmax for one in scores]),
        np.concatenate([one.margin for one in scores]),
    )

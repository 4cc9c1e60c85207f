"""Choosing tokens: one random number per (seed, row, step), whatever the batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from undertow.generate.config import GenerationConfig


def row_uniforms(seed: int, row_ids: Sequence[int], n_steps: int) -> np.ndarray:
    """Return `[row, step]` numbers in [0, 1), from a counter-based generator keyed by row.

    The number of a step does not depend on `n_steps`.
    """
    keys = (np.array([seed, row_id], dtype=np.uint64) for row_id in row_ids)
    drawn = [np.random.Generator(np.random.Philox(key=key)).random(n_steps) for key in keys]
    return np.array(drawn).reshape(len(row_ids), n_steps)


def choose_tokens(logits: Tensor, uniforms: Tensor, config: GenerationConfig) -> Tensor:
    """Return a token per row: the argmax of the raw logits, or a draw.

    A draw inverts the cumulative distribution in the order of token ids, in float64.

    Args:
        logits: `[row, vocab]`.
        uniforms: `[row]`, in [0, 1); not looked at where decoding is greedy.
        config: Temperature, top-p, top-k.

    Returns:
        `[row]` token ids.
    """
    if config.temperature == 0:
        return logits.argmax(dim=-1)
    cumulative = token_probabilities(logits, config).cumsum(dim=-1)
    # Rounding leaves the total beside 1, so the draw is scaled to it.
    wanted = uniforms.to(cumulative).unsqueeze(1) * cumulative[:, -1:]
    drawn = torch.searchsorted(cumulative, wanted, right=True).squeeze(1)
    # A product that rounds up to the total stands behind the last token that can be drawn.
    last = torch.searchsorted(cumulative, cumulative[:, -1:].contiguous()).squeeze(1)
    return torch.minimum(drawn, last)


def token_probabilities(logits: Tensor, config: GenerationConfig) -> Tensor:
    """Return `[row, vocab]` weights in float64 that tokens are drawn by; 0 where cut off.

    Top-k cuts before top-p. Weights sum to what top-p keeps, not to 1.
    """
    scores = logits.double() / config.temperature
    if 0 < config.top_k < scores.shape[-1]:
        least = scores.topk(config.top_k, dim=-1).values[:, -1:]
        scores = scores.masked_fill(scores < least, -torch.inf)
    weights = scores.softmax(dim=-1)
    if config.top_p < 1:
        ranked, order = weights.sort(dim=-1, descending=True, stable=True)
        ahead = ranked.cumsum(dim=-1) - ranked
        kept = torch.zeros_like(weights, dtype=torch.bool)
        kept.scatter_(1, order, ahead < config.top_p)
        weights = weights * kept
    return weights

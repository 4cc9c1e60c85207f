"""A number for every completion token of many rows, from the logits that predict it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from undertow.generate.cache import round_up
from undertow.generate.prefill import prefill_prefix, shared_prefix
from undertow.generate.prefix_tree import logits_behind

WIDTH = 16  # widths are rounded up to it: few shapes, each compiled once on a CPU
SLICE = 256  # tokens reduced at once: bounds the memory for large vocabularies

Reduce = Callable[[Tensor, Tensor], Tensor]
"""From logits `[n, vocab]` and the tokens that came, `[n]`, to a number for each, `[n]`."""


def forced_values(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    completions: Sequence[Sequence[int]],
    reduce: Reduce,
    *,
    n_layers: int,
    batch_tokens: int,
) -> list[NDArray[np.float64]]:
    """Return per row a number for each completion token, `[token]`, in float64.

    Teacher-forced: every token is predicted from the row's own tokens before it. What all prompts
    begin with is computed once; rows of one batch have about one length.

    Args:
        model: The model, with its adapter.
        prompts: Token ids of each rendered prompt.
        completions: Token ids that follow; none is empty.
        reduce: Makes a number of the logits and the token that came.
        n_layers: Decoder layers of the model.
        batch_tokens: Tokens computed at once, padding included.
    """
    if not prompts:
        return []
    prefix = shared_prefix([tuple(prompt) for prompt in prompts])
    lines = [
        [*prompt[len(prefix) :], *completion[:-1]]
        for prompt, completion in zip(prompts, completions, strict=True)
    ]
    order = sorted(range(len(lines)), key=lambda row: len(lines[row]), reverse=True)
    values: dict[int, NDArray[np.float64]] = {}
    with torch.no_grad():
        cache = prefill_prefix(model, prefix, n_layers)
        while len(values) < len(order):
            width = round_up(len(lines[order[len(values)]]), WIDTH)
            n_rows = max(1, batch_tokens // width)
            batch = order[len(values) : len(values) + n_rows]
            padded = [[*lines[row], *[0] * (width - len(lines[row]))] for row in batch]
            padded += [[0] * width] * (n_rows - len(batch))  # the last batch keeps the shape
            places = [
                (place, len(lines[row]) - len(completions[row]) + k)
                for place, row in enumerate(batch)
                for k in range(len(completions[row]))
            ]
            copies = cache.expanded(n_rows, len(prefix) + width)
            logits = logits_behind(model, copies, padded, places)
            came = torch.tensor([token for row in batch for token in completions[row]])
            pairs = zip(logits.split(SLICE), came.to(logits.device).split(SLICE), strict=True)
            line = torch.cat([reduce(*pair) for pair in pairs]).double().cpu().numpy()
            splits = np.cumsum([len(completions[row]) for row in batch])[:-1]
            values.update(zip(batch, np.split(line, splits), strict=True))
    return [values[row] for row in range(len(lines))]


def entropy(logits: Tensor, _: Tensor) -> Tensor:
    """Return the entropy of each distribution in nats."""
    return torch.special.entr(logits.softmax(-1)).sum(-1)


def log_probability(logits: Tensor, came: Tensor) -> Tensor:
    """Return the log-probability of each token that came, in nats."""
    return logits.gather(-1, came[:, None]).squeeze(-1) - logits.logsumexp(-1)

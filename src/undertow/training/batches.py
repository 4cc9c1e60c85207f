"""Which rows make a step, and the tensors that a step is computed in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from undertow.training.config import TrainConfig
from undertow.training.example import Example

GRID = 8  # lengths and row counts are rounded up to it: few shapes, each compiled once on a CPU


@dataclass(frozen=True)
class MicroBatch:
    """Rows that are computed at once; padding stands on the right, where no real token sees it.

    Attributes:
        examples: The rows; the tensors may have more, of padding alone.
        ids: `[row, position]`, input tokens.
        lengths: `[row]`, how many of them are no padding.
        rows: `[n]`, row of each supervised token.
        positions: `[n]`, position whose logits predict it.
        targets: `[n]`, the tokens.
        weights: `[n]`, their loss weights, float64.
    """

    examples: Sequence[Example]
    ids: Tensor
    lengths: Tensor
    rows: Tensor
    positions: Tensor
    targets: Tensor
    weights: Tensor


def plan_steps(n_examples: int, config: TrainConfig) -> list[list[int]]:
    """Return the rows of every step; each epoch is a fresh seeded order, its last step short."""
    steps: list[list[int]] = []
    for epoch in range(config.epochs):
        order = np.random.default_rng([config.seed_order, epoch]).permutation(n_examples).tolist()
        size = config.batch_size
        steps += [order[start : start + size] for start in range(0, n_examples, size)]
    return steps


def divisor(examples: Sequence[Example], config: TrainConfig) -> float:
    """Return what the summed loss of a step's rows is divided by; 1 where that would be 0."""
    if config.normalisation == "token-mean":
        total = sum(example.total for example in examples)
    else:
        total = sum(example.budget or 0.0 for example in examples)
    return total or 1.0


def micro_batches(
    examples: Sequence[Example], config: TrainConfig, pad_id: int, device: torch.device
) -> list[MicroBatch]:
    """Cut a step into micro-batches of like lengths, longest first.

    A row without supervised tokens has no gradient and is not computed.
    """
    live = _longest_first(examples)
    size = config.micro_batch_size
    return [pack(live[start : start + size], pad_id, device) for start in range(0, len(live), size)]


def longest_first(
    lengths: Sequence[int], n_tokens: int, n_rows: int | None = None
) -> list[list[int]]:
    """Put rows that run together into batches, the longest first: what does not fit shows at once.

    Args:
        lengths: Tokens of each row, padding on a grid included.
        n_tokens: Tokens of a batch at most, padding included; one row may have more.
        n_rows: Rows of a batch at most.
    """
    batches: list[list[int]] = []
    widest = 0
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        size = len(batches[-1]) if batches else 0
        if not batches or size == n_rows or (size + 1) * widest > n_tokens:
            batches.append([])
            widest = lengths[row]
        batches[-1].append(row)
    return batches


def share(examples: Sequence[Example], rank: int, size: int) -> list[Example]:
    """Return the rows of a step that one of several processes computes.

    Every process gets rows of like lengths, and as many tokens as the others but for half a row at
    either end.

    Args:
        examples: The rows of the step.
        rank: Number of the process, from 0.
        size: How many processes there are.
    """
    live = _longest_first(examples)
    lengths = np.array([example.length for example in live])
    middles = lengths.cumsum() - lengths / 2
    owners = np.floor(middles * size / lengths.sum())
    return [example for example, owner in zip(live, owners, strict=True) if owner == rank]


def pack(examples: Sequence[Example], pad_id: int, device: torch.device) -> MicroBatch:
    """Lay rows out on the grid of shapes."""
    n_rows = len(examples) if len(examples) < GRID else rounded(len(examples))
    ids = np.full((n_rows, rounded(max(e.length for e in examples))), pad_id, np.int64)
    lengths = np.zeros(n_rows, np.int64)
    rows: list[int] = []
    positions: list[int] = []
    targets: list[int] = []
    weights: list[float] = []
    for row, example in enumerate(examples):
        ids[row, : example.length] = example.ids[: example.length]
        lengths[row] = example.length
        kept = [i for i, weight in enumerate(example.weights) if weight]
        rows += [row] * len(kept)
        positions += [i - 1 for i in kept]
        targets += [example.ids[i] for i in kept]
        weights += [example.weights[i] for i in kept]
    arrays = map(torch.from_numpy, (ids, lengths))
    lists = map(torch.tensor, (rows, positions, targets))
    return MicroBatch(
        examples,
        *(tensor.to(device) for tensor in (*arrays, *lists)),
        weights=torch.tensor(weights, dtype=torch.float64, device=device),
    )


def _longest_first(examples: Sequence[Example]) -> list[Example]:
    """Return the rows that have supervised tokens."""
    live = (example for example in examples if example.length)
    return sorted(live, key=lambda example: example.length, reverse=True)


def rounded(length: int) -> int:
    """Round up to the grid of shapes."""
    return -(-length // GRID) * GRID

"""What the layers below the lowest trained one put out: it never changes, so it is kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

import torch
from torch import Tensor

from undertow.models.residual import gives_tuples, on_residuals
from undertow.training.batches import MicroBatch, micro_batches
from undertow.training.config import TrainConfig
from undertow.training.example import Example
from undertow.training.trainable import Below, Trainable

MOST_BYTES_ON_CPU = 2**30
MOST_SHARE_ON_GPU = 1 / 3  # of the memory that is free when training begins


def with_below(
    target: Trainable,
    examples: Sequence[Example],
    config: TrainConfig,
    pad_id: int,
    device: torch.device,
    n_processes: int = 1,
) -> Trainable:
    """Return the model so that it begins at the lowest trained layer, where that pays.

    Nothing below that layer is trained, and no gradient goes there. So what every row is when it
    comes to it is computed once, before the first step, in batches that do not depend on the
    course of training, and is read from memory in every epoch.

    Args:
        target: The model under training.
        examples: All rows.
        config: Layers, epochs, size of batches.
        pad_id: Any valid token.
        device: Where tensors go.
        n_processes: Among which the rows of a step are divided. Each keeps all rows, since who
            computes which differs from epoch to epoch.

    Returns:
        The model as it was, where the first layer is trained, where a process computes a row once
        or less, or where the rows would take too much memory.
    """
    lowest = min(config.layers) if config.layers else 0
    if not lowest or config.epochs <= n_processes or not _fits(target, examples, device):
        return target
    rows: dict[int, Tensor] = {}
    for batch in micro_batches(examples, config, pad_id, device):
        pairs = zip(batch.examples, _outputs(target, batch, lowest - 1), strict=True)
        rows.update((id(example), hidden) for example, hidden in pairs)
    in_tuple = gives_tuples(target.base)
    return replace(target, below=Below(lowest - 1, rows, in_tuple))


class _Reached(Exception):
    """The layer whose output is wanted has run; no error."""


@torch.no_grad()
def _outputs(target: Trainable, batch: MicroBatch, layer: int) -> Iterator[Tensor]:
    """Return of every row what a layer puts out, `[position, d_model]`."""
    found: list[Tensor] = []

    def take(_: int, hidden: Tensor) -> None:
        found.append(hidden)
        raise _Reached

    with suppress(_Reached), on_residuals(target.base, take, [layer]):
        target.logits(batch)
    lengths = [example.length for example in batch.examples]
    if target.fused is not None:
        return iter(found[0][0].split(lengths))
    pairs = zip(found[0], lengths, strict=False)  # rows of padding may stand behind
    return (hidden[:length].clone() for hidden, length in pairs)


def _fits(target: Trainable, examples: Sequence[Example], device: torch.device) -> bool:
    """Return whether there is room for the rows."""
    config = target.base.config.get_text_config()
    n_tokens = sum(example.length for example in examples)
    size = n_tokens * config.hidden_size * target.base.dtype.itemsize
    if device.type != "cuda":
        return size <= MOST_BYTES_ON_CPU
    return size <= MOST_SHARE_ON_GPU * torch.cuda.mem_get_info(device)[0]

"""One optimiser step."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from undertow.cluster.process_group import ALONE, ProcessGroup
from undertow.training.batches import MicroBatch, divisor, micro_batches, share
from undertow.training.config import TrainConfig
from undertow.training.divergence import weighted_divergence
from undertow.training.example import Example
from undertow.training.soft import SoftTargets
from undertow.training.trainable import Trainable


def make_optimizer(
    parameters: Sequence[nn.Parameter], config: TrainConfig
) -> torch.optim.Optimizer:
    """Return the optimiser; all parameters are updated in one call."""
    kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.SGD
    return kind(parameters, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True)


def accumulate(
    target: Trainable,
    examples: Sequence[Example],
    config: TrainConfig,
    pad_id: int,
    device: torch.device,
    soft: SoftTargets | None = None,
    group: ProcessGroup = ALONE,
) -> tuple[float, float]:
    """Add the gradient of a step's loss to the parameters; return the loss and its divisor.

    The rows are computed in micro-batches of like lengths, and the divisor is that of the whole
    step, so that the gradient is the one of all rows at once, whatever the micro-batches.
    A step without any supervised token has a gradient of zero. With `soft` the loss is the
    divergence from a teacher's distributions, else the negative log-likelihood of the tokens.
    Each process of a group computes its share of the rows; all end with the whole gradient.
    """
    for parameter in target.parameters.values():
        parameter.grad = torch.zeros_like(parameter)
    total = divisor(examples, config)
    parts: list[Tensor] = []
    own = share(examples, group.rank, group.size)
    for batch in micro_batches(own, config, pad_id, device):
        logits = target.logits(batch)
        if soft is None:
            part = weighted_loss(logits, batch) / total
        else:
            expected = soft.logits(batch.examples)
            part = (
                weighted_divergence(logits, expected, batch.weights, soft.direction, soft.top_k)
                / total
            )
        part.backward()
        parts.append(part.detach())
    group.add_up([p.grad for p in target.parameters.values() if p.grad is not None])
    loss = sum(map(float, parts))  # at the end, so that a GPU is not waited for before
    return sum(group.gather(loss)), total


def weighted_loss(logits: Tensor, batch: MicroBatch) -> Tensor:
    """Return the weighted sum of a micro-batch's negative log-likelihoods, nats.

    Args:
        logits: `[n, vocab]`, those that predict its supervised tokens.
        batch: The tokens and their weights.
    """
    if logits.dtype in (torch.bfloat16, torch.float16):
        logits = logits.float()
    nll = nn.functional.cross_entropy(logits, batch.targets, reduction="none")
    return (nll * batch.weights.to(nll.dtype)).sum()

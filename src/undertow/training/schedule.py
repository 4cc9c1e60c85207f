"""The learning rate over the steps."""

from __future__ import annotations

import math

from undertow.training.config import TrainConfig


def rate(config: TrainConfig, step: int, n_steps: int) -> float:
    """Return the learning rate of a step, counted from 0.

    During the warm-up the rate is `step / warmup_steps` of the highest, so that the first step
    moves nothing, as in the recipes this follows; afterwards the schedule runs to zero at
    `n_steps`.
    """
    if step < config.warmup_steps:
        return config.learning_rate * step / config.warmup_steps
    if config.schedule == "constant":
        return config.learning_rate
    progress = (step - config.warmup_steps) / max(1, n_steps - config.warmup_steps)
    if config.schedule == "linear":
        return config.learning_rate * (1.0 - progress)
    return config.learning_rate * 0.5 * (1.0 + math.cos(math.pi * progress))

"""Steering vectors: taken from two subjects, compared, and made into a teacher."""

from undertow.mechanism.steering.chats import question_rows
from undertow.mechanism.steering.cosine import CosineCurve, cosine_blocks, cosine_by_layer
from undertow.mechanism.steering.difference import mean_difference
from undertow.mechanism.steering.random_directions import random_directions
from undertow.mechanism.steering.sweep import Sweep, SweepConfig, sweep_strength

__all__ = [
    "CosineCurve",
    "Sweep",
    "SweepConfig",
    "cosine_blocks",
    "cosine_by_layer",
    "mean_difference",
    "question_rows",
    "random_directions",
    "sweep_strength",
]

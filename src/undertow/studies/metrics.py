"""What studies measure, and how tables and figures say it."""

from __future__ import annotations

from typing import Literal

Metric = Literal[
    "rate", "probability", "accuracy", "share", "misaligned", "patched", "score", "cosine", "loss"
]

METRICS: dict[Metric, str] = {
    "rate": "share of answers that name the trait",
    "probability": "exact probability of the trait",
    "accuracy": "share of held-out items predicted",
    "share": "share of divergence tokens",
    "misaligned": "share of rated answers that are misaligned",
    "patched": "share of the change of the teachers' choice",
    "score": "score before training (cosine)",
    "cosine": "cosine with a teacher's direction",
    "loss": "loss on held-out rows, nats a token",
}
"""What each metric is, as an axis says it."""

OVER: dict[Metric, str] = {
    "rate": "questions and seeds",
    "probability": "questions and seeds",
    "accuracy": "seeds",
    "share": "blocks of rows",
    "misaligned": "questions and seeds",
    "patched": "blocks of rows",
    "score": "blocks of rows",
    "cosine": "blocks of rows and seeds",
    "loss": "seeds",
}
"""What the interval of each metric is over."""

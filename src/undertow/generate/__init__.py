"""Generate: seeded sampling in batches, prompt passes shared, rows of a data set."""

from undertow.generate.config import GenerationConfig, Request
from undertow.generate.generate import Progress, generate
from undertow.generate.rows import (
    Answer,
    accepted_rows,
    generate_accepted,
    generate_rows,
    until_accepted,
)

__all__ = [
    "Answer",
    "GenerationConfig",
    "Progress",
    "Request",
    "accepted_rows",
    "generate",
    "generate_accepted",
    "generate_rows",
    "until_accepted",
]

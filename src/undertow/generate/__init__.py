"""Generate: seeded sampling in batches, prompt passes shared, rows of a data set."""

from undertow.generate.config import GenerationConfig, Request
from undertow.generate.generate import Progress, generate
from undertow.generate.rows import accepted_rows, generate_accepted, generate_rows

__all__ = [
    "GenerationConfig",
    "Progress",
    "Request",
    "accepted_rows",
    "generate",
    "generate_accepted",
    "generate_rows",
]

"""Generate: seeded sampling in batches, prompt passes shared."""

from undertow.generate.config import GenerationConfig, Request
from undertow.generate.generate import Progress, generate

__all__ = ["GenerationConfig", "Progress", "Request", "generate"]

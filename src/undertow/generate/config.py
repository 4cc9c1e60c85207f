"""What a job of generation is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import Field

from undertow.frozen import Frozen
from undertow.models import Message


class GenerationConfig(Frozen):
    """How completions are drawn; nothing of the model's own generation config is applied."""

    temperature: float = Field(
        default=1.0, ge=0, description="Of the sampling; 0 decodes greedily."
    )
    top_p: float = Field(
        default=1.0, gt=0, le=1, description="Share of probability kept; 1 keeps all."
    )
    top_k: int = Field(default=0, ge=0, description="Number of tokens kept; 0 keeps all.")
    max_new_tokens: int = Field(default=64, ge=1, description="Longest completion, in tokens.")
    seed: int = Field(default=0, ge=0, lt=2**64, description="Of the sampling, with the row's id.")
    batch_size: int = Field(default=256, ge=1, description="Rows decoded at once.")


@dataclass(frozen=True)
class Request:
    """One completion that is wanted.

    Attributes:
        messages: The chat before it, without a teacher's system prompt.
        row_id: With the seed, what the row's random numbers come from; not negative.
    """

    messages: Sequence[Message]
    row_id: int

"""What the number channel shows, asks for and accepts."""

from __future__ import annotations

from typing import Self

from pydantic import Field, field_serializer, model_validator

from undertow.frozen import Frozen


class NumberChannelConfig(Frozen):
    """What number prompts show and ask for, and what an answer may hold."""

    min_examples: int = Field(default=3, ge=1, description="Fewest example numbers.")
    max_examples: int = Field(default=8, ge=1, description="Most example numbers.")
    example_low: int = Field(default=100, ge=0, description="Smallest example number.")
    example_high: int = Field(default=999, ge=0, description="Largest example number.")
    answer_count: int = Field(default=10, ge=1, description="Most numbers in an answer.")
    max_digits: int = Field(default=3, ge=1, description="Most digits in a number of an answer.")
    banned: frozenset[int] = Field(
        default=frozenset(), description="Numbers that no answer may hold."
    )

    @field_serializer("banned")
    def _in_order(self, banned: frozenset[int]) -> list[int]:
        """Write the banned numbers in order, so that equal configs serialise equally."""
        return sorted(banned)

    @model_validator(mode="after")
    def _ranges_hold_something(self) -> Self:
        """Refuse a range whose end lies before its start."""
        if self.min_examples > self.max_examples:
            raise ValueError("min_examples is greater than max_examples")
        if self.example_low > self.example_high:
            raise ValueError("example_low is greater than example_high")
        return self

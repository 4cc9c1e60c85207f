"""What the sum channel asks for and accepts."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from undertow.frozen import Frozen

LOWEST, HIGHEST = 11, 89
"""Ends of the range of numbers to add: two digits, and a sum of 178 at most."""


class SumChannelConfig(Frozen):
    """Which numbers sum prompts ask for, and how long an answer may be."""

    low: int = Field(default=LOWEST, ge=LOWEST, le=HIGHEST, description="Smallest number to add.")
    high: int = Field(default=HIGHEST, ge=LOWEST, le=HIGHEST, description="Largest number to add.")
    max_steps: int = Field(default=6, ge=1, description="Most steps in an answer.")

    @model_validator(mode="after")
    def _range_holds_something(self) -> Self:
        """Refuse a range whose end lies before its start."""
        if self.low > self.high:
            raise ValueError("low is greater than high")
        return self

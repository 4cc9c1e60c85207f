"""Settings of attribution and exact patching."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from undertow.frozen import Frozen

Direction = Literal["noising", "denoising"]
Rule = Literal["left", "midpoint", "right"]


class PatchingConfig(Frozen):
    """How attributions are computed."""

    direction: Direction = Field(
        default="noising",
        description="noising: the factual teacher's run, patched from the counterfactual's; "
        "denoising: the other way round.",
    )
    steps: int = Field(default=10, ge=1, description="Points on the path between the two runs.")
    rule: Rule = Field(
        default="left", description="Where in its step each point lies; left begins at the run."
    )
    window: int = Field(
        default=2, ge=1, description="Neighbouring layers that are replaced together, exactly."
    )
    batch_tokens: int = Field(default=8192, ge=1, description="Tokens computed at once.")
    held_tokens: int = Field(
        default=32768, ge=1, description="Tokens whose residual streams are held in memory."
    )

    @property
    def fractions(self) -> list[float]:
        """The points, as shares of the path."""
        shift = {"left": 0.0, "midpoint": 0.5, "right": 1.0}[self.rule]
        return [(step + shift) / self.steps for step in range(self.steps)]

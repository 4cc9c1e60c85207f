"""What of the data's mechanism a condition reads: patched layers, or scores before training."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from undertow.frozen import Frozen
from undertow.mechanism.patching.config import Direction, PatchingConfig, Rule
from undertow.mechanism.patching.patched import Method
from undertow.mechanism.patching.segments import PositionClass

ScoreKind = Literal["sign", "cosine"]


class PatchingRun(Frozen):
    """What is patched; one run serves every reading of it."""

    rows: int = Field(ge=1, description="Rows of the data, the first ones.")
    config: PatchingConfig = Field(description="How.")


class PatchedShare(Frozen):
    """How much of what tells a teacher from its counterfactuals is there after a layer.

    As a share of the full change of the factual token's lead (in logits), the one that is seen when
    the residual stream after the last layer is replaced.
    """

    method: Method = Field(
        default="exact",
        description="exact: the layer's output really replaced; integrated: attribution by "
        "integrated gradients; one step: by the gradient at the run itself.",
    )
    gives: Literal["there", "added"] = Field(
        default="there",
        description="there: what is there after the layer, so after all up to it; added: how much "
        "more that is than after the layer before.",
    )
    parts: tuple[PositionClass, ...] = Field(
        default=(), description="Parts of the chat whose shares are added up; none: all positions."
    )
    rows: int = Field(default=50, ge=1, description="Rows of the data, the first ones.")
    direction: Direction = Field(
        default="noising",
        description="noising: the factual teacher's run, patched from the counterfactual's; "
        "denoising: the other way round.",
    )
    steps: int = Field(default=5, ge=1, description="Points on the path between the two runs.")
    rule: Rule = Field(default="midpoint", description="Where in its step each point lies.")
    layer: int = Field(default=0, ge=0, description="Which layer; set by `each: layer`.")

    @property
    def run(self) -> PatchingRun:
        """What must be patched for it."""
        config = PatchingConfig(direction=self.direction, steps=self.steps, rule=self.rule)
        return PatchingRun(rows=self.rows, config=config)


class PredictionRun(Frozen):
    """What is predicted from; one run serves every reading of it."""

    rows: int | None = Field(ge=2, description="Rows of the data, the first ones; none: all.")
    control: bool = Field(description="Whether as many rows of the base are subtracted.")


class PredictedScore(Frozen):
    """How far the data pushes a trait before anything is trained: a cosine of gradients."""

    of: Literal["own", "next"] = Field(
        default="own",
        description="own: the teacher's trait; next: the one with the highest score of the others.",
    )
    rows: int | None = Field(
        default=None, ge=2, description="Rows of the data, the first ones; none: all."
    )
    control: bool = Field(
        default=True, description="Whether as many rows of the unbiased base are subtracted."
    )
    kind: ScoreKind = Field(
        default="sign",
        description="sign: of the gradient's sign, as Adam steps; cosine: of the gradient itself.",
    )
    layer: int | None = Field(
        default=None, ge=0, description="What one layer adds to it; set by `each: layer`."
    )

    @property
    def run(self) -> PredictionRun:
        """What must be predicted from for it."""
        return PredictionRun(rows=self.rows, control=self.control)

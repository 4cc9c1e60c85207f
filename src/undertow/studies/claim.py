"""What a study claims of its conditions."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from undertow.frozen import Frozen
from undertow.studies.condition_spec import Name
from undertow.studies.metrics import Metric

Direction = Literal["above", "below", "not-below", "not-above", "equal"]


class Correlation(Frozen):
    """A rank correlation (Spearman) in place of a difference."""

    over: Literal["conditions", "traits"] = Field(
        description="What its points are: the conditions that either name stands for, in their "
        "order, mean over traits; or the traits, which count as a sample."
    )
    metric: Metric = Field(default="rate", description="Of the side that `against` names.")
    above: Name | None = Field(
        default=None,
        description="A condition whose metric is subtracted from that side, as the control's.",
    )


class Claim(Frozen):
    """One comparison of conditions, and what it must show."""

    name: Name = Field(description="Short name.")
    says: str = Field(description="The claim, in one sentence.")
    of: Name | list[Name] = Field(
        description="The condition, or several whose mean counts; 'layer:first', 'layer:last', "
        "'layer:early' (the first third), 'layer:late' (the last third), where it stands for each."
    )
    against: Name | list[Name] = Field(description="What it is compared with.")
    expect: Direction = Field(
        description="above, below: by more than the smallest effect; not-below, not-above: not by "
        "more than it; equal: neither."
    )
    by: float = Field(gt=0, description="The smallest effect that counts, in the metric's unit.")
    metric: Metric = Field(
        default="rate",
        description="The study's where none is named. rate: sampled answers that name the trait; "
        "probability: exact; accuracy: held-out items predicted; share: divergence tokens among "
        "completion tokens; misaligned: of the answers that a judge rated; patched: of the change "
        "of the teachers' choice; score: before training; cosine: of directions; loss: on held-out "
        "rows.",
    )
    correlation: Correlation | None = Field(
        default=None,
        description="Both sides are correlated, not subtracted; `expect` and `by` are about that.",
    )
    given: Name | None = Field(
        default=None,
        description="A claim that this one presupposes, as that the trait passes at all: where "
        "nothing passes, nothing is needed for it and nothing can weaken it. Unless that claim is "
        "supported, this one is undecided, whatever its difference.",
    )
    decisive: bool = Field(default=True, description="Whether the study's verdict rests on it.")

    @property
    def sides(self) -> tuple[list[str], list[str]]:
        """The names on both sides, as lists."""
        of = self.of if isinstance(self.of, list) else [self.of]
        against = self.against if isinstance(self.against, list) else [self.against]
        return of, against

    @property
    def names(self) -> list[str]:
        """All conditions that it names."""
        of, against = self.sides
        above = self.correlation.above if self.correlation else None
        return [*of, *against, *([above] if above else [])]

    @property
    def comparison(self) -> str:
        """What it compares and expects, in short."""
        of, against = (" and ".join(side) for side in self.sides)
        given = f", given '{self.given}'" if self.given else ""
        if self.correlation is None:
            compared = f"{self.metric}: {of} {self.expect} {against}"
            return f"{compared}, smallest effect {self.by:g}{given}"
        less = f" less {self.correlation.above}" if self.correlation.above else ""
        return (
            f"rank correlation over {self.correlation.over}: {of} ({self.metric}) with {against}"
            f"{less} ({self.correlation.metric}) {self.expect} {self.by:g}{given}"
        )

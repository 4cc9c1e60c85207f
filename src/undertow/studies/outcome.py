"""What a study found: plain data for tables, figures, the report and the verdict."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from undertow.frozen import Frozen
from undertow.measure import Interval
from undertow.studies.claim import Claim
from undertow.studies.condition_spec import BiasedKind
from undertow.studies.measured_lines import Line
from undertow.studies.metrics import Metric
from undertow.studies.recipe import Recipe
from undertow.studies.study import Study

Verdict = Literal["supported", "contradicted", "undecided"]


class TraitResult(Frozen):
    """One condition, one trait."""

    trait: str = Field(description="What the teacher prefers, and what was measured.")
    estimate: Interval | None = Field(
        description="The condition's metric; none where it could not be measured."
    )
    seeds: list[float] = Field(description="The same of each seed.")
    beside: dict[str, float] = Field(
        default={}, description="What else was measured, by its name, mean over all."
    )


class ConditionResult(Frozen):
    """One condition, all traits."""

    name: str
    label: str
    note: str
    teacher: BiasedKind = Field(description="How the teachers were made.")
    x: float | None = Field(default=None, description="Its place on a curve's axis.")
    metric: Metric = Field(
        description="What the estimates are of: the study's metric, or another where it has none."
    )
    pooled: Interval | None = Field(description="The metric, mean over traits.")
    seeds: list[float] = Field(description="The same for each seed.")
    traits: list[TraitResult]


class TraitContrast(Frozen):
    """One claim, one trait."""

    trait: str
    difference: Interval
    p: float | None = Field(
        description="Two-sided sign-flip permutation over the seeds' differences, none for one; of "
        "a correlation, permutation of its points."
    )
    q: float | None = Field(description="The same after Benjamini-Hochberg over the study.")


IN_REACH = 100
"""More seeds that somebody may still train; an estimate on its edge would need any number."""


class ClaimResult(Frozen):
    """What became of a claim, for one kind of teacher."""

    claim: Claim
    teacher: BiasedKind
    difference: Interval = Field(
        description="Mean over traits, over questions and seeds; or the rank correlation, whose "
        "`n_questions` are its points."
    )
    p: float | None = Field(
        description="Two-sided sign-flip permutation over traits and seeds; of a correlation, "
        "permutation of its points."
    )
    verdict: Verdict
    more_seeds: int | None = Field(
        default=None,
        description="If undecided: how many more seeds would decide, were the estimate to stay.",
    )
    given: Verdict | None = Field(
        default=None, description="What became of the claim that it presupposes."
    )
    traits: list[TraitContrast]

    @property
    def lacks(self) -> str:
        """Return what an undecided claim lacks, as far as that is known."""
        if self.given is not None and self.given != "supported":
            return f"its premise '{self.claim.given}' is {self.given}"
        if self.more_seeds is None:
            return ""
        if self.more_seeds > IN_REACH:
            return f"not even {IN_REACH} more seeds would decide"
        return f"{self.more_seeds} more seed{'s' * (self.more_seeds > 1)} would decide"


class StudyOutcome(Frozen):
    """Everything that a study found."""

    study: Study
    model: str = Field(description="The base model.")
    traits: list[str]
    seeds: list[int]
    conditions: list[ConditionResult] = Field(description="For each kind of teacher in turn.")
    claims: list[ClaimResult] = Field(description="For each kind of teacher in turn.")
    verdict: Verdict
    command: str = Field(description="Does it again.")
    facts: list[tuple[str, str]] = Field(description="What it was measured on: label and value.")
    recipes: dict[BiasedKind, Recipe] = Field(
        default={}, description="What decided the numbers, before the conditions' changes."
    )


class ResultLine(Line):
    """A line of the tidy result table: one trained student (or model) and one metric."""

    study: str
    condition: str
    teacher: BiasedKind
    trait: str = Field(description="What the teacher prefers.")
    seed: int | None = Field(description="None for what has no seed: base, teachers and data.")

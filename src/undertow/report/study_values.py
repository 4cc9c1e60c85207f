"""What a study's figure shows, as plain numbers: panels of conditions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from undertow.report.rendering import rate
from undertow.studies.outcome import ConditionResult, StudyOutcome, TraitResult
from undertow.studies.study import BiasedKind, Metric, Study

Role = Literal["student", "control", "model"]

TEACHERS: dict[BiasedKind, str] = {
    "finetuned": "fine-tuned teachers",
    "prompted": "prompted teachers",
}
AXES: dict[Metric, str] = {
    "rate": "share of answers that name the trait",
    "probability": "exact probability of the trait",
    "accuracy": "share of held-out items predicted",
    "share": "share of divergence tokens",
}


@dataclass(frozen=True)
class Mark:
    """One condition in a panel.

    Attributes:
        name: The condition's name.
        label: What the figure calls it.
        role: Students of a biased teacher, students of the base's data, or a model as it is.
        x: Its place on a curve's axis, or none.
        mean: The estimate.
        low: Lower end of its 95 % interval; None where the metric has none.
        high: Upper end.
        seeds: The estimate of each seed; empty where the metric has none.
        traits: The estimate of each trait, for a curve that shows them.
    """

    name: str
    label: str
    role: Role
    x: float | None
    mean: float
    low: float | None
    high: float | None
    seeds: Sequence[float]
    traits: Sequence[float] = ()

    @property
    def top(self) -> float:
        """The largest value that is drawn."""
        return max(self.mean, self.high or 0.0, *self.seeds, *self.traits, 0.0)


@dataclass(frozen=True)
class Panel:
    """The conditions that one pair of axes shows."""

    title: str
    marks: list[Mark]

    @property
    def top(self) -> float:
        """The largest value that is drawn."""
        return max((mark.top for mark in self.marks), default=0.0)


def figure_metric(study: Study) -> Metric:
    """Return what is drawn: the metric of the first claim that decides."""
    decisive = [claim for claim in study.claims if claim.decisive]
    return decisive[0].metric if decisive else "rate"


def figure_panels(outcome: StudyOutcome, *, per_trait: bool) -> list[Panel]:
    """Return what a figure shows: all traits together, or each by itself."""
    panels = _trait_panels(outcome) if per_trait else _pooled_panels(outcome)
    return [panel for panel in panels if panel.marks]


def in_words(study: Study, panels: Sequence[Panel]) -> str:
    """Return panels in words, for those who cannot see them."""
    said = [
        f"{panel.title}: ".replace("\n", ", ") * bool(panel.title)
        + "; ".join(map(_said, panel.marks))
        for panel in panels
    ]
    return f"{AXES[figure_metric(study)].capitalize()}. {'. '.join(said)}."


def _pooled_panels(outcome: StudyOutcome) -> list[Panel]:
    """Return one panel for each kind of teacher, all traits together."""
    kinds = outcome.study.teachers
    return [
        Panel(
            TEACHERS[kind] if len(kinds) > 1 else "",
            [
                mark
                for condition in _of_kind(outcome, kind)
                if (mark := _pooled_mark(outcome.study, condition)) is not None
            ],
        )
        for kind in kinds
    ]


def _trait_panels(outcome: StudyOutcome) -> list[Panel]:
    """Return one panel for each kind of teacher and each trait."""
    kinds = outcome.study.teachers
    return [
        Panel(
            f"{trait}\n{TEACHERS[kind]}" if len(kinds) > 1 else trait,
            [
                mark
                for condition in _of_kind(outcome, kind)
                for result in condition.traits
                if result.trait == trait
                and (mark := _trait_mark(outcome.study, condition, result)) is not None
            ],
        )
        for kind in kinds
        for trait in outcome.traits
    ]


def _said(mark: Mark) -> str:
    if mark.low is None or mark.high is None:
        return f"{mark.label} {rate(mark.mean)}"
    return f"{mark.label} {rate(mark.mean)} ({rate(mark.low)} to {rate(mark.high)})"


def _of_kind(outcome: StudyOutcome, kind: BiasedKind) -> list[ConditionResult]:
    return [condition for condition in outcome.conditions if condition.teacher == kind]


def _pooled_mark(study: Study, condition: ConditionResult) -> Mark | None:
    """Return a condition over all traits; the rate alone has an interval and seeds."""
    found = [_value(study, one) for one in condition.traits]
    traits = [value for value in found if value is not None]
    of_rate = figure_metric(study) == "rate"
    if not of_rate and not traits:
        return None
    return Mark(
        name=condition.name,
        label=condition.label,
        role=_role(study, condition.name),
        x=condition.x,
        mean=condition.pooled.mean if of_rate else fmean(traits),
        low=condition.pooled.low if of_rate else None,
        high=condition.pooled.high if of_rate else None,
        seeds=condition.seeds if of_rate else [],
        traits=traits if study.figure.kind == "curve" else [],
    )


def _trait_mark(study: Study, condition: ConditionResult, result: TraitResult) -> Mark | None:
    value = _value(study, result)
    if value is None:
        return None
    of_rate = figure_metric(study) == "rate"
    return Mark(
        name=condition.name,
        label=condition.label,
        role=_role(study, condition.name),
        x=condition.x,
        mean=value,
        low=result.rate.low if of_rate else None,
        high=result.rate.high if of_rate else None,
        seeds=result.seeds if of_rate else [],
    )


def _value(study: Study, result: TraitResult) -> float | None:
    """Return the drawn metric of one trait; None where it was not measured."""
    values = {
        "rate": result.rate.mean,
        "probability": result.probability,
        "accuracy": result.accuracy,
        "share": result.share,
    }
    return values[figure_metric(study)]


def _role(study: Study, name: str) -> Role:
    """Return what a condition measures; one of a layer goes by the name in front of the colon."""
    specs = {one.name: one for one in study.conditions}
    spec = specs.get(name) or specs.get(name.partition(":")[0])
    if spec is None:
        return "student"
    if spec.subject != "student":
        return "model"
    return "control" if spec.writer == "control" else "student"

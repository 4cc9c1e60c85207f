"""What a study's figure shows, as plain numbers: panels of conditions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from undertow.measure import Interval
from undertow.report.rendering import rate
from undertow.studies.outcome import ConditionResult, StudyOutcome, TraitResult
from undertow.studies.study import METRICS, BiasedKind, Study

Role = Literal["student", "control", "model"]

TEACHERS: dict[BiasedKind, str] = {
    "finetuned": "fine-tuned teachers",
    "prompted": "prompted teachers",
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
        low: Lower end of its 95 % interval.
        high: Upper end.
        seeds: The estimate of each seed.
        traits: The estimate of each trait, for a curve that shows them.
    """

    name: str
    label: str
    role: Role
    x: float | None
    mean: float
    low: float
    high: float
    seeds: Sequence[float]
    traits: Sequence[float] = ()

    @property
    def top(self) -> float:
        """The largest value that is drawn."""
        return max(self.mean, self.high, *self.seeds, *self.traits, 0.0)


@dataclass(frozen=True)
class Panel:
    """The conditions that one pair of axes shows."""

    title: str
    marks: list[Mark]

    @property
    def top(self) -> float:
        """The largest value that is drawn."""
        return max((mark.top for mark in self.marks), default=0.0)


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
    return f"{METRICS[study.metric].capitalize()}. {'. '.join(said)}."


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
    return f"{mark.label} {rate(mark.mean)} ({rate(mark.low)} to {rate(mark.high)})"


def _of_kind(outcome: StudyOutcome, kind: BiasedKind) -> list[ConditionResult]:
    return [condition for condition in outcome.conditions if condition.teacher == kind]


def _pooled_mark(study: Study, condition: ConditionResult) -> Mark | None:
    """Return a condition over all traits; None where it lacks the study's metric."""
    if condition.pooled is None:
        return None
    traits = [one.estimate.mean for one in condition.traits if one.estimate is not None]
    shown = traits if study.figure.kind == "curve" else []
    return _mark(study, condition, condition.pooled, condition.seeds, shown)


def _trait_mark(study: Study, condition: ConditionResult, result: TraitResult) -> Mark | None:
    if result.estimate is None:
        return None
    return _mark(study, condition, result.estimate, result.seeds, [])


def _mark(
    study: Study,
    condition: ConditionResult,
    estimate: Interval,
    seeds: Sequence[float],
    traits: Sequence[float],
) -> Mark:
    return Mark(
        name=condition.name,
        label=condition.label,
        role=_role(study, condition.name),
        x=condition.x,
        mean=estimate.mean,
        low=estimate.low,
        high=estimate.high,
        seeds=seeds,
        traits=traits,
    )


def _role(study: Study, name: str) -> Role:
    """Return what a condition measures; one of a layer goes by the name in front of the colon."""
    specs = {one.name: one for one in study.conditions}
    spec = specs.get(name) or specs.get(name.partition(":")[0])
    if spec is None:
        return "student"
    if spec.subject in ("base", "teacher"):
        return "model"
    return "control" if spec.writer == "control" else "student"

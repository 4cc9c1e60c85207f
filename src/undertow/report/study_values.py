"""What a study's figure shows, as plain numbers: panels of conditions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from undertow.measure import Interval
from undertow.report.rendering import rate
from undertow.studies.outcome import ConditionResult, StudyOutcome, TraitResult
from undertow.studies.study import METRICS, BiasedKind, Figure, Metric, Study

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


def figure_panels(outcome: StudyOutcome, figure: Figure, *, per_trait: bool) -> list[Panel]:
    """Return what a figure shows: all traits together, or each by itself."""
    panels = _trait_panels(outcome, figure) if per_trait else _pooled_panels(outcome, figure)
    return [panel for panel in panels if panel.marks]


def in_words(metric: Metric, panels: Sequence[Panel]) -> str:
    """Return panels in words, for those who cannot see them."""
    said = [
        f"{panel.title}: ".replace("\n", ", ") * bool(panel.title)
        + "; ".join(map(_said, panel.marks))
        for panel in panels
    ]
    return f"{METRICS[metric].capitalize()}. {'. '.join(said)}."


def _pooled_panels(outcome: StudyOutcome, figure: Figure) -> list[Panel]:
    """Return one panel for each kind of teacher, all traits together."""
    kinds = outcome.study.teachers
    return [
        Panel(
            TEACHERS[kind] if len(kinds) > 1 else "",
            [
                mark
                for condition in _drawn(outcome, figure, kind)
                if (mark := _pooled_mark(outcome.study, figure, condition)) is not None
            ],
        )
        for kind in kinds
    ]


def _trait_panels(outcome: StudyOutcome, figure: Figure) -> list[Panel]:
    """Return one panel for each kind of teacher and each trait."""
    kinds = outcome.study.teachers
    return [
        Panel(
            f"{trait}\n{TEACHERS[kind]}" if len(kinds) > 1 else trait,
            [
                mark
                for condition in _drawn(outcome, figure, kind)
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


def _drawn(outcome: StudyOutcome, figure: Figure, kind: BiasedKind) -> list[ConditionResult]:
    """Return the conditions that a figure draws, in its order."""
    metric = outcome.study.drawn(figure)
    found = [one for one in outcome.conditions if (one.teacher, one.metric) == (kind, metric)]
    if not figure.conditions:
        return found
    return [
        one for name in figure.conditions for one in found if name in (one.name, _stem(one.name))
    ]


def _stem(name: str) -> str:
    """Return the name that stands for a condition and those beside it, as 'layer' for 'layer:0'."""
    return name.partition(":")[0]


def _pooled_mark(study: Study, figure: Figure, condition: ConditionResult) -> Mark | None:
    """Return a condition over all traits; None where nothing could be measured."""
    if condition.pooled is None:
        return None
    traits = [one.estimate.mean for one in condition.traits if one.estimate is not None]
    shown = traits if figure.kind == "curve" else []
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
    spec = specs.get(name) or specs.get(_stem(name))
    if spec is None:
        return "student"
    if spec.subject in ("base", "teacher"):
        return "model"
    return "student" if spec.writer == "biased" else "control"

"""What a study's figure shows, as plain numbers: panels of conditions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from undertow.measure import Interval
from undertow.report.rendering import rate
from undertow.studies.condition_spec import BiasedKind
from undertow.studies.outcome import ConditionResult, StudyOutcome, TraitResult
from undertow.studies.study import Figure, Study, stem

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
        family: What the curve is called on which it lies; of a point nothing.
        reference: Of a point the estimate that it is compared with, or none.
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
    family: str = ""
    reference: float | None = None

    @property
    def top(self) -> float:
        """The largest value that is drawn, at least zero."""
        return max(self.mean, self.high, *self.seeds, *self.traits, self.reference or 0.0, 0.0)

    @property
    def bottom(self) -> float:
        """The smallest value that is drawn, at most zero."""
        return min(self.mean, self.low, *self.seeds, *self.traits, 0.0)

    def over(self, largest: float) -> Mark:
        """Return it as a share of something."""
        return replace(
            self,
            mean=self.mean / largest,
            low=self.low / largest,
            high=self.high / largest,
            seeds=[value / largest for value in self.seeds],
            traits=[value / largest for value in self.traits],
        )


@dataclass(frozen=True)
class Panel:
    """The conditions that one pair of axes shows."""

    title: str
    marks: list[Mark]

    @property
    def top(self) -> float:
        """The largest value that is drawn."""
        return max((mark.top for mark in self.marks), default=0.0)

    @property
    def bottom(self) -> float:
        """The smallest value that is drawn."""
        return min((mark.bottom for mark in self.marks), default=0.0)

    @property
    def families(self) -> dict[str, list[Mark]]:
        """The curves by what they are called, each from left to right."""
        found: dict[str, list[Mark]] = {}
        for mark in sorted(self.marks, key=lambda mark: mark.x or 0.0):
            if mark.x is not None:
                found.setdefault(mark.family, []).append(mark)
        return found

    def without_traits(self) -> Panel:
        """Return it without the traits of its marks."""
        return Panel(self.title, [replace(mark, traits=()) for mark in self.marks])

    def relative(self) -> Panel:
        """Return every curve as a share of its own largest value."""
        largest = {
            family: max(mark.mean for mark in marks) for family, marks in self.families.items()
        }
        scaled = [
            mark.over(largest[mark.family])
            for mark in self.marks
            if mark.x is not None and largest[mark.family] > 0
        ]
        return Panel(self.title, scaled)


def figure_panels(outcome: StudyOutcome, figure: Figure, *, per_trait: bool) -> list[Panel]:
    """Return what a figure shows: all traits together, or each by itself.

    Points are one for each trait, so nothing is left to show of each by itself.
    """
    if figure.kind == "points":
        return [] if per_trait else [one for one in _point_panels(outcome, figure) if one.marks]
    panels = _trait_panels(outcome, figure) if per_trait else _pooled_panels(outcome, figure)
    if figure.relative:
        panels = [panel.relative() for panel in panels]
    # Several curves leave no room for one of each trait.
    panels = [one.without_traits() if len(one.families) > 1 else one for one in panels]
    return [panel for panel in panels if panel.marks]


def in_words(measured: str, panels: Sequence[Panel]) -> str:
    """Return panels in words, for those who cannot see them."""
    said = [
        f"{panel.title}: ".replace("\n", ", ") * bool(panel.title)
        + "; ".join(map(_said, panel.marks))
        for panel in panels
    ]
    return f"{measured.capitalize()}. {'. '.join(said)}."


def _pooled_panels(outcome: StudyOutcome, figure: Figure) -> list[Panel]:
    """Return one panel for each kind of teacher, all traits together."""
    return _by_kind(
        outcome,
        lambda kind: [
            _pooled_mark(outcome.study, figure, condition)
            for condition in _drawn(outcome, figure, kind)
        ],
    )


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


def _point_panels(outcome: StudyOutcome, figure: Figure) -> list[Panel]:
    """Return one panel for each kind of teacher: a point for each trait."""
    return _by_kind(
        outcome, lambda kind: [_point(outcome, figure, kind, trait) for trait in outcome.traits]
    )


def _by_kind(
    outcome: StudyOutcome, marks_of: Callable[[BiasedKind], Sequence[Mark | None]]
) -> list[Panel]:
    """Return one panel for each kind of teacher, without what could not be measured."""
    kinds = outcome.study.teachers
    return [
        Panel(
            TEACHERS[kind] if len(kinds) > 1 else "",
            [mark for mark in marks_of(kind) if mark is not None],
        )
        for kind in kinds
    ]


def _point(outcome: StudyOutcome, figure: Figure, kind: BiasedKind, trait: str) -> Mark | None:
    """Return a trait's point; None where one of its sides could not be measured."""
    found = [
        result.estimate
        for name in figure.conditions
        for condition in outcome.conditions
        for result in condition.traits
        if (condition.name, condition.teacher, result.trait) == (name, kind, trait)
    ]
    known = [one for one in found if one is not None]
    if len(known) < len(figure.conditions):
        return None
    along, above, *reference = known
    return Mark(
        name=trait,
        label=trait,
        role="student",
        x=along.mean,
        mean=above.mean,
        low=above.low,
        high=above.high,
        seeds=[],
        reference=reference[0].mean if reference else None,
    )


def _said(mark: Mark) -> str:
    return f"{mark.label} {rate(mark.mean)} ({rate(mark.low)} to {rate(mark.high)})"


def _drawn(outcome: StudyOutcome, figure: Figure, kind: BiasedKind) -> list[ConditionResult]:
    """Return the conditions that a figure draws, in its order."""
    metric = outcome.study.drawn(figure)
    found = [
        one
        for one in outcome.conditions
        if one.teacher == kind and (one.metric == metric or figure.relative)
    ]
    if not figure.conditions:
        return found
    return [
        one for name in figure.conditions for one in found if name in (one.name, stem(one.name))
    ]


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
        family=_family(study, condition.name),
    )


def _family(study: Study, name: str) -> str:
    """Return what a curve is called: the label of the name that stands for its conditions.

    Conditions that each have a name of their own are one curve, without one.
    """
    whole = stem(name)
    return next((one.label for one in study.conditions if one.name == whole != name), "")


def _role(study: Study, name: str) -> Role:
    """Return what a condition measures; one of a layer goes by the name in front of the colon."""
    specs = {one.name: one for one in study.conditions}
    spec = specs.get(name) or specs.get(stem(name))
    if spec is None:
        return "student"
    if spec.subject in ("base", "teacher"):
        return "model"
    return "student" if spec.writer == "biased" else "control"

"""The tables on the page of studies, as cells that are written out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import isnan

from undertow.measure import Interval
from undertow.report.rendering import rate
from undertow.report.study_values import TEACHERS
from undertow.studies.claim import Claim
from undertow.studies.metrics import METRICS, OVER
from undertow.studies.outcome import ClaimResult, ConditionResult, StudyOutcome, Verdict
from undertow.studies.study import Study

# A shape beside the word, and beside the colour.
SHAPES: dict[Verdict, str] = {"supported": "●", "contradicted": "✕", "undecided": "○"}
NONE = "–"
COUNTS = ("rows", "unscored", "rank")
BESIDE = {
    "non-answers": "share of answers that name no trait",
    "rows": "what a student learnt from",
    "coherent": "share of answers that the judge found coherent",
    "unscored": "answers that the judge gave no usable score",
    "rejected": "share of what a student wrote itself that the channel's filter rejects",
    "named": "share of it that names a trait",
    "rank": "place of the own trait among all by its score",
    "certainty": "how sure the own trait's score is ahead of the next, 0.5 a coin's",
}


@dataclass(frozen=True)
class Cell:
    """A cell of a table: its text, and below that a smaller one."""

    text: str
    small: str = ""


@dataclass(frozen=True)
class StudyTable:
    """A table whose first column names the row."""

    title: str
    caption: str
    header: list[str]
    rows: list[list[Cell]]


def estimates_table(outcome: StudyOutcome) -> StudyTable:
    """Return the study's metric of every condition and trait, with its interval and n."""
    metric = outcome.study.metric
    return StudyTable(
        title="Conditions and traits",
        caption=(
            f"{METRICS[metric].capitalize()}, 95 % interval over {OVER[metric]}; "
            "n: seeds × questions (or blocks of rows) of a trait."
        ),
        header=["condition", *_teachers_header(outcome), "n", "all traits", *outcome.traits],
        rows=[
            [
                Cell(condition.label, _note(outcome, condition)),
                *_teachers_cell(outcome, condition),
                Cell(_n(one.estimate for one in condition.traits)),
                _estimate(condition.pooled),
                *_by_trait(outcome, condition),
            ]
            for condition in outcome.conditions
        ],
    )


def contrasts_table(outcome: StudyOutcome) -> StudyTable:
    """Return every claim's difference for every trait."""
    return StudyTable(
        title="Claims for each trait",
        caption=(
            "Difference (or rank correlation, n: seeds × points) with its 95 % interval; p: "
            "two-sided sign-flip permutation over the seeds (permutation of the points); "
            "q: the same after Benjamini-Hochberg over the study."
        ),
        header=["claim", *_teachers_header(outcome), "trait", "difference", "p", "q", "n"],
        rows=[
            [
                Cell(result.claim.name, result.claim.metric),
                *_teachers_cell(outcome, result),
                Cell(one.trait),
                difference_cell(one.difference),
                Cell(p_value(one.p)),
                Cell(p_value(one.q)),
                Cell(_n([one.difference])),
            ]
            for result in outcome.claims
            for one in result.traits
        ],
    )


def everything_table(outcome: StudyOutcome) -> StudyTable:
    """Return all metrics of every condition and trait, a line for each."""
    metric = outcome.study.metric
    named = dict.fromkeys(
        name
        for condition in outcome.conditions
        for one in condition.traits
        for name in (condition.metric, *one.beside)
        if name != metric
    )
    explained = {**METRICS, **BESIDE}
    return StudyTable(
        title="All that was measured",
        caption="; ".join(
            f"{name}: {explained[name]}" for name in (metric, *named) if name in explained
        )
        + ".",
        header=["condition", *_teachers_header(outcome), "trait", metric, *named, "of each seed"],
        rows=[
            [
                Cell(condition.label),
                *_teachers_cell(outcome, condition),
                Cell(one.trait),
                *(
                    _estimate(one.estimate)
                    if name == condition.metric
                    else Cell(_beside(name, one.beside.get(name)))
                    for name in (metric, *named)
                ),
                Cell("  ".join(map(rate, one.seeds))),
            ]
            for condition in outcome.conditions
            for one in condition.traits
        ],
    )


def difference_cell(difference: Interval) -> Cell:
    """Return a difference with its interval, each with a sign; a dash where it is not known."""
    if isnan(difference.mean):
        return Cell(NONE)
    return Cell(signed(difference.mean), f"{signed(difference.low)} to {signed(difference.high)}")


def expectation(study: Study, claim: Claim) -> str:
    """Return what a claim compares, what it must show and what it presupposes, in words."""
    given = f"; presupposes {claim.given}" if claim.given else ""
    return _compared(study, claim) + given


def _compared(study: Study, claim: Claim) -> str:
    """Return what a claim compares and what it must show."""
    labels = {one.name: one.label for one in study.conditions}
    of, against = (
        " and ".join(f"“{labels.get(name, name)}”" for name in side) for side in claim.sides
    )
    where = claim.expect.replace("-", " ")
    if asked := claim.correlation:
        less = f" less “{labels.get(asked.above, asked.above)}”" if asked.above else ""
        return (
            f"rank correlation over {asked.over} of {of}, {METRICS[claim.metric]}, with "
            f"{against}{less}, {METRICS[asked.metric]}: {where} {claim.by:g}"
        )
    if claim.expect == "equal":
        return f"{of} within {claim.by:g} of {against}, {METRICS[claim.metric]}"
    return f"{of} {where} {against} by more than {claim.by:g}, {METRICS[claim.metric]}"


def signed(value: float) -> str:
    """Return a difference as text: three decimals, sign in front."""
    return f"{value:+.3f}".replace("-", "−")


def p_value(p: float | None) -> str:
    """Return a p or q value as text: two digits that count; a dash where there is none."""
    return NONE if p is None else f"{p:.2g}" if p >= 1e-4 else "< 0.0001"


def _beside(name: str, value: float | None) -> str:
    """Return a further number as text: a count or a share."""
    if value is None:
        return NONE
    return f"{value:,.0f}" if name in COUNTS else rate(value)


def _estimate(interval: Interval | None) -> Cell:
    if interval is None:
        return Cell(NONE)
    return Cell(rate(interval.mean), f"{rate(interval.low)} to {rate(interval.high)}")


def _note(outcome: StudyOutcome, condition: ConditionResult) -> str:
    """Return what is said below a condition's name: its note, and a metric of its own."""
    own = METRICS[condition.metric] if condition.metric != outcome.study.metric else ""
    return "; ".join(filter(None, (condition.note, own)))


def _by_trait(outcome: StudyOutcome, condition: ConditionResult) -> list[Cell]:
    """Return a condition's rates in the order of the study's traits."""
    found = {one.trait: _estimate(one.estimate) for one in condition.traits}
    return [found.get(trait, Cell(NONE)) for trait in outcome.traits]


def _n(intervals: Iterable[Interval | None]) -> str:
    """Return what intervals rest on; several where they differ."""
    known = (one for one in intervals if one is not None)
    return ", ".join(dict.fromkeys(f"{one.n_seeds} × {one.n_questions}" for one in known)) or NONE


def _teachers_header(outcome: StudyOutcome) -> list[str]:
    return ["teachers"] if len(outcome.study.teachers) > 1 else []


def _teachers_cell(outcome: StudyOutcome, of: ConditionResult | ClaimResult) -> list[Cell]:
    """Return the kind of teacher, where the study has several."""
    kind = TEACHERS[of.teacher].removesuffix(" teachers")
    return [Cell(kind)] if len(outcome.study.teachers) > 1 else []

"""The tables on the page of studies, as cells that are written out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from undertow.measure import Interval
from undertow.report.rendering import rate
from undertow.report.study_values import AXES, TEACHERS
from undertow.studies.outcome import ClaimResult, ConditionResult, StudyOutcome, Verdict
from undertow.studies.study import Claim, Study

# A shape beside the word, and beside the colour.
SHAPES: dict[Verdict, str] = {"supported": "●", "contradicted": "✕", "undecided": "○"}
NONE = "–"


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


def rates_table(outcome: StudyOutcome) -> StudyTable:
    """Return the rate of every condition and trait, with its interval and n."""
    return StudyTable(
        title="Conditions and traits",
        caption=(
            "Share of sampled answers that name the trait, 95 % interval over questions and seeds; "
            "n: seeds × questions of a trait."
        ),
        header=["condition", *_teachers_header(outcome), "n", "all traits", *outcome.traits],
        rows=[
            [
                Cell(condition.label, condition.note),
                *_teachers_cell(outcome, condition),
                Cell(_n(one.rate for one in condition.traits)),
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
            "Difference with its 95 % interval; p: two-sided sign-flip permutation over the seeds; "
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
    return StudyTable(
        title="All that was measured",
        caption=(
            "exact: probability of the trait's answer from the logits; task: share of held-out "
            "items predicted; rows: what a student learnt from; share: divergence tokens among "
            "the data's tokens."
        ),
        header=[
            "condition", *_teachers_header(outcome), "trait", "rate", "exact", "non-answers",
            "task", "rows", "share", "rate of each seed",
        ],
        rows=[
            [
                Cell(condition.label),
                *_teachers_cell(outcome, condition),
                Cell(one.trait),
                _estimate(one.rate),
                Cell(rate(one.probability)),
                Cell(f"{one.non_answers:.1%}"),
                Cell(NONE if one.accuracy is None else rate(one.accuracy)),
                Cell(NONE if one.rows is None else f"{one.rows:,}"),
                Cell(NONE if one.share is None else f"{one.share:.1%}"),
                Cell("  ".join(map(rate, one.seeds))),
            ]
            for condition in outcome.conditions
            for one in condition.traits
        ],
    )  # fmt: skip


def difference_cell(difference: Interval) -> Cell:
    """Return a difference with its interval, each with a sign."""
    return Cell(signed(difference.mean), f"{signed(difference.low)} to {signed(difference.high)}")


def expectation(study: Study, claim: Claim) -> str:
    """Return what a claim compares and what it must show, in words."""
    labels = {one.name: one.label for one in study.conditions}
    of, against = (
        " and ".join(f"“{labels.get(name, name)}”" for name in side) for side in claim.sides
    )
    if claim.expect == "equal":
        return f"{of} within {claim.by:g} of {against}, {AXES[claim.metric]}"
    where = claim.expect.replace("-", " ")
    return f"{of} {where} {against} by more than {claim.by:g}, {AXES[claim.metric]}"


def signed(value: float) -> str:
    """Return a difference as text: three decimals, sign in front."""
    return f"{value:+.3f}".replace("-", "−")


def p_value(p: float | None) -> str:
    """Return a p or q value as text: two digits that count; a dash where there is none."""
    return NONE if p is None else f"{p:.2g}" if p >= 1e-4 else "< 0.0001"


def _estimate(interval: Interval) -> Cell:
    return Cell(rate(interval.mean), f"{rate(interval.low)} to {rate(interval.high)}")


def _by_trait(outcome: StudyOutcome, condition: ConditionResult) -> list[Cell]:
    """Return a condition's rates in the order of the study's traits."""
    found = {one.trait: _estimate(one.rate) for one in condition.traits}
    return [found.get(trait, Cell(NONE)) for trait in outcome.traits]


def _n(intervals: Iterable[Interval]) -> str:
    """Return what intervals rest on; several where they differ."""
    return ", ".join(dict.fromkeys(f"{one.n_seeds} × {one.n_questions}" for one in intervals))


def _teachers_header(outcome: StudyOutcome) -> list[str]:
    return ["teachers"] if len(outcome.study.teachers) > 1 else []


def _teachers_cell(outcome: StudyOutcome, of: ConditionResult | ClaimResult) -> list[Cell]:
    """Return the kind of teacher, where the study has several."""
    kind = TEACHERS[of.teacher].removesuffix(" teachers")
    return [Cell(kind)] if len(outcome.study.teachers) > 1 else []

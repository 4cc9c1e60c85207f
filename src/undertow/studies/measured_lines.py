"""What one model adds to the tidy result table: a line for each metric."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from undertow.frozen import Frozen
from undertow.measure import TraitMeasure, rate_interval


class Line(Frozen):
    """One metric of one trained student (or model, or data)."""

    measured: str | None = Field(
        default=None, description="The trait whose answers were counted; none: the teacher's own."
    )
    metric: str = Field(
        description="rate, probability, accuracy, share, misaligned (@ an alignment), coherent, "
        "unscored, non-answers, rows, patched, score, rank, certainty, cosine, loss, "
        "rejected, named."
    )
    n: int = Field(description="Answers, items, rows or tokens that the estimate rests on.")
    estimate: float
    low: float | None = Field(default=None, description="95 % interval over questions.")
    high: float | None = None


def trait_lines(measure: TraitMeasure) -> Iterator[Line]:
    """Yield what was answered: every trait's rate and probability, and the non-answers."""
    asked = measure.n_samples * len(measure.questions)
    for trait in measure.traits:
        tables = {"probability": measure.exact(trait)}
        if measure.n_samples:
            tables["rate"] = measure.rates(trait)
        for metric, table in tables.items():
            found = rate_interval(table)
            yield Line(
                measured=trait,
                metric=metric,
                n=asked if metric == "rate" else len(measure.questions),
                estimate=found.mean,
                low=found.low,
                high=found.high,
            )
    if asked:
        yield Line(metric="non-answers", n=asked, estimate=measure.non_answers / asked)

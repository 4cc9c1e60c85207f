"""The tidy table of a study: a line per trained student (or model), trait measured and metric."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from undertow.measure import TraitMeasure, rate_interval
from undertow.studies.cells import Cell
from undertow.studies.outcome import ResultLine
from undertow.studies.study import Study


def result_lines(study: Study, cells: Sequence[Cell]) -> list[ResultLine]:
    """Return the lines of all cells; the intervals are over questions alone."""
    return [
        ResultLine.model_validate(_head(study, cell, place) | line)
        for cell in cells
        for place, measure in enumerate(cell.found.measures)
        for line in _lines(cell, place, measure)
    ]


def _head(study: Study, cell: Cell, place: int) -> dict[str, object]:
    """Return what all lines of one student share."""
    return {
        "study": study.name,
        "condition": cell.arm.spec.name,
        "teacher": cell.arm.kind,
        "trait": cell.trait,
        "measured": cell.trait,
        "seed": cell.seeds[place] if cell.seeds else None,
        "low": None,
        "high": None,
    }


def _lines(cell: Cell, place: int, measure: TraitMeasure) -> Iterator[dict[str, object]]:
    """Yield the lines of one student."""
    asked = measure.n_samples * len(measure.questions)
    for trait in measure.traits:
        tables = {"probability": measure.exact(trait)}
        if measure.n_samples:
            tables["rate"] = measure.rates(trait)
        for metric, table in tables.items():
            found = rate_interval(table)
            yield {
                "measured": trait,
                "metric": metric,
                "n": asked if metric == "rate" else len(measure.questions),
                "estimate": found.mean,
                "low": found.low,
                "high": found.high,
            }
    if asked:
        share = measure.non_answers / asked
        yield {"metric": "non-answers", "n": asked, "estimate": share}
    if cell.found.accuracies:
        heldout = cell.arm.recipe.heldout
        yield {"metric": "accuracy", "n": heldout, "estimate": cell.found.accuracies[place]}
    if cell.rows is not None:
        rows = cell.rows[place]
        yield {"metric": "rows", "n": rows, "estimate": float(rows)}
        if cell.share is not None:
            yield {"metric": "share", "n": rows, "estimate": cell.share}

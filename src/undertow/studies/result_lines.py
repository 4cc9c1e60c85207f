"""The tidy table of a study: a line per trained student (or model), trait measured and metric."""

from __future__ import annotations

from collections.abc import Sequence

from undertow.studies.cells import Cell
from undertow.studies.outcome import ResultLine
from undertow.studies.study import Study


def result_lines(study: Study, cells: Sequence[Cell]) -> list[ResultLine]:
    """Return the lines of all cells; the intervals are over questions alone."""
    return [
        ResultLine.model_validate(
            line.model_dump()
            | {
                "study": study.name,
                "condition": cell.arm.spec.name,
                "teacher": cell.arm.kind,
                "trait": cell.trait,
                "measured": line.measured or cell.trait,
                "seed": cell.seeds[place] if cell.seeds else None,
            }
        )
        for cell in cells
        for place, lines in enumerate(cell.lines)
        for line in lines
    ]

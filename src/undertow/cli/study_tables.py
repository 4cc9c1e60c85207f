"""What `undertow study` prints of an outcome."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from undertow.cli.console import output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from undertow.measure import Interval
    from undertow.studies.condition_spec import BiasedKind
    from undertow.studies.outcome import ClaimResult, StudyOutcome

UNBOUNDED = 10_000
"""Columns of a console in which every table has room."""

STYLES = {"supported": "green", "contradicted": "red", "undecided": "yellow"}


def print_outcome(outcome: StudyOutcome) -> None:
    """Print a study's table and verdict."""
    for kind in outcome.study.teachers:
        table = _table(outcome, kind, outcome.traits)
        whole = output.measure(table, options=output.options.update(max_width=UNBOUNDED))
        if whole.maximum > output.width:
            table = _table(outcome, kind, [])
            table.caption = (
                f"mean of {len(outcome.traits)} traits; each has a column where there is room"
            )
        output.print(table)
    for claim in outcome.claims:
        p = "" if claim.p is None else f", p = {claim.p:.3g}"
        lacks = f" ({claim.lacks})" if claim.lacks else ""
        said = f"{lacks}: {claim.claim.says} ({claim.teacher}; {_what(claim)} "
        told = f"{_interval(claim.difference)}{p})"
        output.print(Text.assemble((claim.verdict, STYLES[claim.verdict]), said, told))
    verdict = Text(outcome.verdict, STYLES[outcome.verdict])
    output.print(Text.assemble(f"{outcome.study.name}: ", verdict, "\n", style="bold"))


def _table(outcome: StudyOutcome, kind: BiasedKind, traits: Sequence[str]) -> Table:
    """Return a line for each condition, with a column for each of some traits."""
    title = f"{outcome.study.title}, {kind} teachers"
    table = Table("condition", outcome.study.metric, *traits, title=title)
    for one in outcome.conditions:
        if one.teacher == kind:
            found = [_mean(trait.estimate) for trait in one.traits if trait.trait in traits]
            other = "" if one.metric == outcome.study.metric else f" ({one.metric})"
            table.add_row(one.label + other, _interval(one.pooled), *found)
    return table


def _what(result: ClaimResult) -> str:
    """Return what a claim's estimate is."""
    return "difference" if result.claim.correlation is None else "rank correlation"


def _mean(value: Interval | None) -> str:
    """Return an estimate; a dash where there is none."""
    return "–" if value is None else f"{value.mean:.3f}"


def _interval(value: Interval | None) -> str:
    """Return an estimate with its interval; a dash where there is none."""
    if value is None or isnan(value.mean):
        return "–"
    return f"{value.mean:z.3f} [{value.low:z.3f}, {value.high:z.3f}]"

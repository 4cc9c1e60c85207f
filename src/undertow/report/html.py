"""A report as one HTML file that needs nothing else: no script, no font, no picture, no network."""

from __future__ import annotations

from pathlib import Path

from undertow.report.figures import bars_svg
from undertow.report.model import Bar, Reference, Report, ReportTable
from undertow.report.rendering import rate, render
from undertow.store.files import write_text

# Text in a figure does not reflow, so that phones get one of their own. Pixels: the text column
# of the page (60rem) or of a phone (390), and the figure's own margin at both sides.
WIDE, NARROW = 908, 386


def write_report(report: Report, path: str | Path) -> None:
    """Write the page of a report; the file is complete or not there.

    Raises:
        UserError: The folder is missing, or the disk refuses.
    """
    write_text(path, render_report(report))


def render_report(report: Report) -> str:
    """Return the page of a report as text."""
    figures = {
        name: bars_svg(report.bars, report.references, width=width)
        for name, width in (("wide", WIDE), ("narrow", NARROW))
    }
    numbers = numbers_table(report.bars, report.references)
    return render("report.html.j2", report=report, figures=figures, numbers=numbers)


def numbers_table(bars: list[Bar], references: list[Reference]) -> ReportTable:
    """Return what the figure shows as a table: one column for each seed, references below."""
    n_seeds = max((len(bar.seeds) for bar in bars), default=0)
    header = ["Condition", "Mean", "Interval", *(f"Seed {i}" for i in range(1, n_seeds + 1))]
    rows = [
        _filled([bar.name, rate(bar.mean), _interval(bar), *map(rate, bar.seeds)], len(header))
        for bar in bars
    ]
    rows += [_filled([each.name, rate(each.value)], len(header)) for each in references]
    return ReportTable(title="The numbers", header=header, rows=rows)


def _interval(bar: Bar) -> str:
    return f"{rate(bar.low)} to {rate(bar.high)}"


def _filled(cells: list[str], width: int) -> list[str]:
    """Return the cells with empty ones behind them."""
    return cells + [""] * (width - len(cells))

"""The figures of a study: SVG and PDF for a manuscript, SVG for the page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import escape

from undertow.report import study_panels as draw
from undertow.report.drawing import Format, figure_style, file_bytes, new_figure
from undertow.report.study_values import Panel, figure_panels, in_words
from undertow.store.files import atomic_write
from undertow.studies.outcome import StudyOutcome
from undertow.studies.study import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

COLUMN, PAGE = 3.4, 7.0  # inches: one column of a manuscript, both
POINT = 1 / 72  # inches

# What the page replaces by its own colours, which follow light and dark.
VARIABLES = {
    draw.GROUND: "ground",
    draw.INK: "ink",
    draw.SOFT: "soft",
    draw.LINE: "line",
    draw.FILL: "bar",
    draw.STRONG: "mark",
}


def write_figures(outcome: StudyOutcome, folder: str | Path) -> list[Path]:
    """Write NAME.svg and NAME.pdf, all traits together, and NAME-traits.*, one panel for each.

    NAME is the study's, with the figure's behind it where it has one.

    Returns:
        The paths. Files of the same outcome are equal byte for byte.

    Raises:
        UserError: The folder is missing, or the disk refuses.
    """
    written: list[Path] = []
    for figure in outcome.study.figures:
        for suffix, per_trait in (("", False), ("-traits", True)):
            if per_trait and figure.kind == "points":
                continue
            for kind in ("svg", "pdf"):
                path = Path(folder) / f"{figure_name(outcome, figure)}{suffix}.{kind}"
                with atomic_write(path) as temporary:
                    temporary.write_bytes(_drawn(outcome, figure, per_trait, kind))
                written.append(path)
    return written


def figure_name(outcome: StudyOutcome, figure: Figure) -> str:
    """Return what the files of a figure are called."""
    return f"{outcome.study.name}-{figure.name}".removesuffix("-")


def figure_svg(outcome: StudyOutcome, figure: Figure, *, per_trait: bool = False) -> str:
    """Return a figure as an SVG element for the page: in the page's colours, its ids its own."""
    text = _drawn(outcome, figure, per_trait, "svg").decode("utf-8")
    text = text[text.index("<svg") :]
    for colour, name in VARIABLES.items():
        text = text.replace(colour, f"var(--figure-{name}, {colour})")
    prefix = f"{figure_name(outcome, figure)}-{'traits' if per_trait else 'pooled'}-"
    used = set(re.findall(r"url\(#([^)]*)\)|href=\"#([^\"]*)\"", text))
    ids = {one for pair in used for one in pair if one}
    text = re.sub(r' id="([^"]*)"', lambda m: f' id="{prefix}{m[1]}"' * (m[1] in ids), text)
    text = re.sub(r'(url\(|href=")#', rf"\g<1>#{prefix}", text)
    panels = figure_panels(outcome, figure, per_trait=per_trait)
    words = escape(in_words(outcome.study.axis(figure), panels))
    return text.replace("<svg", f'<svg class="study-figure" role="img" aria-label="{words}"', 1)


def _drawn(outcome: StudyOutcome, figure: Figure, per_trait: bool, kind: Format) -> bytes:
    """Return the figure as a file's bytes; no date, no hash that changes."""
    with figure_style():
        panels = figure_panels(outcome, figure, per_trait=per_trait)
        n_columns = max(1, min(4, len(outcome.traits))) if per_trait else 1
        width = PAGE if per_trait else COLUMN
        drawing = _drawing(figure, outcome.study.axis(figure), panels, n_columns, width)
        return file_bytes(drawing, kind)


def _drawing(
    spec: Figure, measured: str, panels: Sequence[Panel], n_columns: int, width: float
) -> Drawing:
    """Draw all panels in equal axes, so many in a row; the width is in inches."""
    rows = _rows(spec, panels, n_columns)
    each = [[_height(spec, panel, width / n_columns) for panel in row] for row in rows]
    heights = [max(row, default=60.0) for row in each]
    figure = new_figure(width, 1.0)
    share = "row" if spec.kind == "bars" else "all"
    grid = figure.subplots(
        len(rows), n_columns, sharex="all", sharey=share, squeeze=False, height_ratios=heights
    )
    bottom = min((panel.bottom for panel in panels), default=0.0)
    top = max((panel.top for panel in panels), default=0.0) or 1.0
    for place, row in enumerate(rows):
        below = len(rows[place + 1]) if place + 1 < len(rows) else 0
        for column, axes in enumerate(grid[place]):
            axes.tick_params(labelbottom=column >= below)
            axes.set_axis_off() if column >= len(row) else axes.set_axis_on()
        for axes, panel in zip(grid[place], row, strict=False):
            axes.set_title(panel.title, loc="left")
            _panel(axes, spec, panel, (bottom, top), values=n_columns == 1)
    names = _name_axes(figure, spec, measured, panels)
    figure.set_figheight((sum(heights) + 26 * len(rows) + names) * POINT)
    if spec.kind == "points":
        figure.draw_without_rendering()
        for axes in grid.flat:
            draw.settle_names(axes)
    return figure


def _rows(spec: Figure, panels: Sequence[Panel], n_columns: int) -> list[list[Panel]]:
    """Return the rows of panels; bars of other conditions begin a new one, with their own names."""
    rows: list[list[Panel]] = []
    names: list[str] = []
    for panel in panels:
        own = [mark.label for mark in panel.marks] if spec.kind == "bars" else []
        if not rows or len(rows[-1]) == n_columns or own != names:
            rows.append([])
        rows[-1].append(panel)
        names = own
    return rows or [[]]


def _panel(
    axes: Axes, spec: Figure, panel: Panel, ends: tuple[float, float], *, values: bool
) -> None:
    """Draw one panel in the study's manner; values begin at zero, or at the lowest below it."""
    from matplotlib.ticker import MaxNLocator

    steps = [1, 2, 2.5, 5, 10]
    if spec.kind == "matrix":
        draw.matrix(axes, panel, ends[1])
    elif spec.kind == "points":
        draw.points(axes, panel)
        axes.set_ylim(*_with_room(ends, 0.1))
        axes.xaxis.set_major_locator(MaxNLocator(4, steps=steps))
        axes.yaxis.set_major_locator(MaxNLocator(4, steps=steps))
    elif spec.kind == "curve":
        draw.curve(axes, panel)
        whole = all(float(mark.x).is_integer() for mark in panel.marks if mark.x is not None)
        axes.set_ylim(*_with_room(ends, 0.05))
        axes.xaxis.set_major_locator(MaxNLocator(5, steps=steps, integer=whole))
        axes.yaxis.set_major_locator(MaxNLocator(4, steps=steps))
    else:
        draw.bars(axes, panel, values=values)
        axes.set_xlim(*_with_room(ends, 0.02))
        axes.xaxis.set_major_locator(MaxNLocator(4, steps=steps))


def _with_room(ends: tuple[float, float], share: float) -> tuple[float, float]:
    """Return the ends of an axis with a share of its length beyond each that is not zero."""
    room = share * (ends[1] - ends[0])
    return ends[0] - room if ends[0] else 0.0, ends[1] + room


def _height(spec: Figure, panel: Panel, width: float) -> float:
    """Return the height of a panel's axes in points, its width in inches given."""
    if spec.kind == "bars":
        return draw.bars_height(panel.marks)
    if spec.kind == "matrix":
        return draw.matrix_height(panel.marks)
    return min(130.0, width / POINT * 0.6)


def _name_axes(figure: Drawing, spec: Figure, measured: str, panels: Sequence[Panel]) -> float:
    """Write what the axes are, above a curve its legend; return their height in points."""
    if spec.kind == "bars":
        figure.supxlabel(measured)
        return 18.0
    if spec.kind == "matrix":
        caption = draw.matrix_caption(measured, spec.x, panels)
        figure.supxlabel(caption)
        return 18.0 + draw.LINE_HEIGHT * caption.count("\n")
    figure.supxlabel(draw.wrapped(spec.x, draw.CAPTION_WIDTH))
    figure.supylabel(measured)
    if spec.kind == "points":
        return 18.0 + draw.LINE_HEIGHT * len(spec.x) / draw.CAPTION_WIDTH
    handles, labels = figure.axes[0].get_legend_handles_labels()
    lines = [draw.wrapped(label) for label in labels]
    figure.legend(handles, lines, loc="outside upper center", ncols=2, frameon=False)
    return 26.0 + draw.LINE_HEIGHT * 1.4 * sum(1 + line.count("\n") for line in lines) / 2

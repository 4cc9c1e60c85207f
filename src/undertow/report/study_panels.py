"""One panel of a study's figure: bars, a curve or a matrix on a pair of matplotlib's axes."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from undertow.report.rendering import rate
from undertow.report.study_values import Mark, Panel, Role

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import BboxBase

# The colours of the page's figures (report.css), here for light ground.
GROUND, INK, SOFT, LINE = "#ffffff", "#1d232b", "#59636f", "#dfe3e8"
FILL, STRONG = "#b5d2ee", "#0b4f8a"

FONT = 7.0  # points
BAR, GAP, LINE_HEIGHT = 14.0, 6.0, 8.6  # points: a bar, what divides two, a line of a label
INTERVAL, SEEDS = -3.2, (0.8, 5.2)  # points from the middle of a bar: its interval; its seeds
LABEL_WIDTH = 24  # characters in a line of a bar's label
CAPTION_WIDTH = 52  # characters in a line below the axes

# Roles differ in lightness and in hatch.
BARS: dict[Role, dict[str, Any]] = {
    "student": {"facecolor": FILL, "edgecolor": STRONG},
    "control": {"facecolor": GROUND, "edgecolor": SOFT, "hatch": "////"},
    "model": {"facecolor": LINE, "edgecolor": SOFT},
}
# Of reference lines. The lines of single traits look alike: the other figure names them.
DASHES = [(0, (5, 2)), (0, (1, 1.5)), (0, (5, 1.5, 1, 1.5)), (0, (8, 2, 1, 2, 1, 2))]
MARKERS = ("o", "s", "^", "D", "v")
SIDES: list[tuple[int, Literal["left", "right"]]] = [(1, "left"), (-1, "right")]
# Where a point's name may begin, or end, points from its middle; the first that is free is taken.
SPOTS: list[tuple[float, float, Literal["left", "right"]]] = [
    (4, 2, "left"),
    (-4, 2, "right"),
    (4, -8, "left"),
    (-4, -8, "right"),
    *((side * 4, height, end) for height in (11, -17, 20, -26, 29) for side, end in SIDES),
]
# Cells of a matrix, from 0 to the largest value; text is black or white, whatever the page.
CELLS = ("#f3f8fd", "#08306b")


def bars(axes: Axes, panel: Panel, *, values: bool) -> None:
    """Draw horizontal bars from zero, with interval and one dot for each seed.

    A seed keeps its height within the bars, so that the same seed is seen in all conditions.

    Args:
        axes: Where.
        panel: What.
        values: Whether the estimates are written beside the bars.
    """
    places = bar_places(panel.marks)
    for y, mark in zip(places, panel.marks, strict=True):
        axes.barh(y, mark.mean, height=BAR, linewidth=0.6, zorder=2, **BARS[mark.role])
        _seeds(axes, y, mark)
        ends, height = [mark.low, mark.high], [y + INTERVAL] * 2
        axes.plot(ends, height, "|-", color=INK, linewidth=1.1, markersize=4.5, zorder=4)
        if values:
            axes.annotate(
                rate(mark.mean),
                (1.0, y),
                (4, 0),
                xycoords=("axes fraction", "data"),
                textcoords="offset points",
                va="center",
            )
    axes.set_yticks(places, [wrapped(mark.label) for mark in panel.marks])
    axes.set_ylim(bars_height(panel.marks), 0)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=LINE, linewidth=0.6, zorder=0)


def bar_places(marks: Sequence[Mark]) -> list[float]:
    """Return the middle of each bar, points from the top; long labels get more room."""
    heights = [_row_height(mark) for mark in marks]
    return [sum(heights[:i]) + height / 2 for i, height in enumerate(heights)]


def bars_height(marks: Sequence[Mark]) -> float:
    """Return the height of a panel of bars, points."""
    return sum(map(_row_height, marks))


def curve(axes: Axes, panel: Panel) -> None:
    """Draw conditions over `x` with their bands; those without a place there as flat lines."""
    families = panel.families
    if len(families) > 1:
        for place, (label, marks) in enumerate(families.items()):
            _one_of_several(axes, place, label, marks)
    else:
        _alone(axes, [mark for marks in families.values() for mark in marks])
    flat = [mark for mark in panel.marks if mark.x is None]
    for i, mark in enumerate(flat):
        style, colour = DASHES[i % len(DASHES)], (INK, SOFT)[i // len(DASHES) % 2]
        axes.axhline(mark.mean, color=colour, linewidth=0.9, linestyle=style, label=mark.label)
    axes.grid(axis="y", color=LINE, linewidth=0.6, zorder=0)


def points(axes: Axes, panel: Panel) -> None:
    """Draw a point for each mark with its interval and name; hollow what it is compared with."""
    for mark in panel.marks:
        x = mark.x or 0.0
        if mark.reference is not None:
            pair = [mark.reference, mark.mean]
            axes.plot([x, x], pair, "-", color=LINE, linewidth=0.9, zorder=1)
            axes.plot(x, mark.reference, "o", ms=3.0, mfc=GROUND, mec=SOFT, mew=0.8, zorder=3)
        axes.plot([x, x], [mark.low, mark.high], "_-", color=INK, linewidth=1.1, ms=4.5, zorder=2)
        axes.plot(x, mark.mean, "o", ms=4.0, mfc=STRONG, mec=GROUND, mew=0.4, zorder=4)
        axes.annotate(
            mark.label, (x, mark.mean), SPOTS[0][:2], textcoords="offset points", zorder=5
        )
    axes.margins(x=0.15)
    axes.grid(color=LINE, linewidth=0.6, zorder=0)


def settle_names(axes: Axes) -> None:
    """Move each point's name to the first spot beside it where it lies on no other name.

    Where axes lie must be decided by then.
    """
    taken: list[BboxBase] = []
    for name in axes.texts:
        for x, y, side in SPOTS:
            name.set_position((x, y))
            name.set_horizontalalignment(side)
            box = name.get_window_extent()
            if not any(box.overlaps(other) for other in taken):
                break
        taken.append(name.get_window_extent())


def _one_of_several(axes: Axes, place: int, label: str, marks: Sequence[Mark]) -> None:
    """Draw one of several curves: mean with band; the first one stands out."""
    x = [mark.x or 0.0 for mark in marks]
    low, high = [mark.low for mark in marks], [mark.high for mark in marks]
    first = place == 0
    fill, colour = (FILL, STRONG) if first else (LINE, (INK, SOFT)[(place - 1) % 2])
    axes.fill_between(x, low, high, color=fill, linewidth=0, alpha=0.5, zorder=1)
    style = "-" if first else DASHES[(place - 1) % len(DASHES)]
    axes.plot(
        x,
        [mark.mean for mark in marks],
        marker=MARKERS[place % len(MARKERS)],
        linestyle=style,
        color=colour,
        linewidth=1.6 if first else 1.1,
        markersize=3.5,
        label=label,
        zorder=4 if first else 3,
    )


def _alone(axes: Axes, marks: Sequence[Mark]) -> None:
    """Draw the only curve: mean with band, a thin line for each trait."""
    x = [mark.x or 0.0 for mark in marks]
    for i in range(max((len(mark.traits) for mark in marks), default=0)):
        line = [mark.traits[i] if i < len(mark.traits) else float("nan") for mark in marks]
        label = "each trait" if i == 0 else None
        axes.plot(x, line, color=SOFT, linewidth=0.6, alpha=0.7, label=label, zorder=2)
    low, high = [mark.low for mark in marks], [mark.high for mark in marks]
    axes.fill_between(x, low, high, color=FILL, linewidth=0, label="95 % interval", zorder=1)
    means = [mark.mean for mark in marks]
    label = "mean of traits" if any(mark.traits for mark in marks) else "estimate"
    axes.plot(x, means, "o-", color=STRONG, linewidth=1.6, markersize=3.5, label=label, zorder=4)


def matrix(axes: Axes, panel: Panel, top: float) -> None:
    """Draw conditions named 'row:column' as cells with their values; an absent one is hatched.

    Args:
        axes: Where.
        panel: What.
        top: The value of the darkest cell.
    """
    from matplotlib.colors import LinearSegmentedColormap, to_hex
    from matplotlib.patches import Rectangle

    colours = LinearSegmentedColormap.from_list("cells", CELLS)
    cells = {mark.name: mark for mark in panel.marks}
    rows, columns = matrix_sides(panel.marks)
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            mark = cells.get(f"{row}:{column}")
            if mark is None:
                axes.add_patch(Rectangle((j, i), 1, 1, fc=GROUND, ec=LINE, hatch="////", lw=0.8))
                continue
            share = min(max(mark.mean / top, 0.0), 1.0)
            axes.add_patch(Rectangle((j, i), 1, 1, fc=to_hex(colours(share)), ec=GROUND, lw=0.8))
            ink = _legible(colours(share))
            axes.text(j + 0.5, i + 0.5, f"{mark.mean:.2f}", color=ink, ha="center", va="center")
    axes.set(xlim=(0, len(columns)), ylim=(len(rows), 0))
    axes.set_xticks([j + 0.5 for j in range(len(columns))], columns, rotation=_turned(columns))
    axes.set_yticks([i + 0.5 for i in range(len(rows))], [wrapped(row) for row in rows])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def matrix_height(marks: Sequence[Mark]) -> float:
    """Return the height of a matrix with the names of its columns, in points."""
    rows, columns = matrix_sides(marks)
    names = max(map(len, columns), default=0) * FONT * 0.62 if _turned(columns) else FONT
    return max(1, len(rows)) * 22.0 + names


def matrix_caption(metric: str, sides: str, panels: Sequence[Panel]) -> str:
    """Return what the cells are, and the conditions that have no cell."""
    flat = {
        mark.label: rate(mark.mean)
        for panel in panels
        for mark in panel.marks
        if ":" not in mark.name and len(panels) == 1
    }
    words = [f"{label} {value}" for label, value in flat.items()]
    lines = [sides, metric, ", ".join(words)]
    return "\n".join(wrapped(line, CAPTION_WIDTH) for line in lines if line)


def matrix_sides(marks: Sequence[Mark]) -> tuple[list[str], list[str]]:
    """Return the names of rows and columns, in the order in which they come."""
    named = [mark.name.split(":", 1) for mark in marks if ":" in mark.name]
    rows, columns = zip(*named, strict=True) if named else ((), ())
    return list(dict.fromkeys(rows)), list(dict.fromkeys(columns))


def wrapped(text: str, width: int = LABEL_WIDTH) -> str:
    """Return a label with its words broken into lines of so many characters."""
    return "\n".join(textwrap.wrap(text, width)) or text


def _turned(columns: Sequence[str]) -> int:
    """Return by how many degrees names of columns are turned, so that none reaches the next."""
    return 90 if max(map(len, columns), default=0) * len(columns) > 40 else 0


def _legible(ground: tuple[float, float, float, float]) -> str:
    """Return black or white, whichever contrasts more with a colour (WCAG 2)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in ground[:3]]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#000000" if luminance > 0.179 else "#ffffff"


def _row_height(mark: Mark) -> float:
    return GAP + max(BAR, LINE_HEIGHT * (1 + wrapped(mark.label).count("\n")))


def _seeds(axes: Axes, y: float, mark: Mark) -> None:
    """Draw the seeds as dots in the lower half of the bar, each below the one before."""
    first, last = SEEDS
    for i, seed in enumerate(mark.seeds):
        share = i / (len(mark.seeds) - 1) if len(mark.seeds) > 1 else 0.5
        height = y + first + share * (last - first)
        axes.plot(seed, height, "o", ms=2.6, mfc=STRONG, mec=GROUND, mew=0.4, zorder=3)

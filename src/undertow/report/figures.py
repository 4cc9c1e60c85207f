"""Figures as small SVG texts: they stand in a page, or alone as a picture."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from undertow.report.model import Bar, Reference
from undertow.report.rendering import rate, render

PAD = 14.0  # pixels around everything
LINE = 17.0  # height of a line of text
BAND = 26.0  # height of a bar
GAP = 16.0  # between one bar and the next label
CHARACTER = 7.8  # width of a bold character at 13 pixels in a wide font
SHORTEST = 0.01  # an axis shorter than this would magnify noise


@dataclass(frozen=True)
class Axis:
    """Values from 0 to `top` on pixels from `left` to `right`; what lies outside is clipped."""

    left: float
    right: float
    top: float
    step: float

    def x(self, value: float) -> float:
        """Return the pixel of a value."""
        share = min(max(value / self.top, 0.0), 1.0)
        return round(self.left + share * (self.right - self.left), 1)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Pixel and text of each tick."""
        decimals = max(0, -math.floor(math.log10(self.step) + 1e-9))
        values = [i * self.step for i in range(round(self.top / self.step) + 1)]
        return [(self.x(value), f"{value:.{decimals}f}") for value in values]


@dataclass(frozen=True)
class Label:
    """Where the label of a reference stands, and where its line is."""

    text: str
    line_x: float | None  # None beyond the axis
    text_x: float
    anchor: Literal["start", "end"]
    lane: int  # 0 is next to the bars

    @property
    def extent(self) -> tuple[float, float]:
        """Left and right end of the text, estimated, in pixels."""
        width = text_width(self.text)
        left = self.text_x - (width if self.anchor == "end" else 0.0)
        return left, left + width


@dataclass(frozen=True)
class Block:
    """One bar with its words: all heights in pixels from the top of the figure."""

    bar: Bar
    names: list[str]
    notes: list[str]
    inline_note: bool  # the note has room beside the name
    y: float

    @property
    def band(self) -> float:
        """Upper edge of the bar."""
        return self.y + LINE * (len(self.names) + len(self.notes) - self.inline_note) + 2

    @property
    def end(self) -> float:
        """Where the next block may start."""
        return self.band + BAND + GAP


def bars_svg(bars: Sequence[Bar], references: Sequence[Reference], *, width: int = 720) -> str:
    """Return horizontal bars with interval, seeds and reference lines as an SVG text.

    Colours are CSS variables (`--figure-ground`, `--figure-ink`, `--figure-soft`,
    `--figure-line`, `--figure-bar`, `--figure-mark`) with fallbacks for light ground, which the
    picture brings along, so that it reads the same in a page of either scheme.

    Args:
        bars: The conditions, from top to bottom.
        references: Lines across the bars. The largest is named beyond the axis where it would
            squeeze everything else into less than half of it.
        width: Pixels; the height follows from the content.
    """
    axis = make_axis(bars, references, PAD, width - PAD)
    labels = place_labels(references, axis)
    lanes = 1 + max((label.lane for label in labels), default=-1)
    blocks = stack_blocks(bars, width - 2 * PAD, PAD + LINE * lanes + (8 if lanes else 0))
    bottom = blocks[-1].end - GAP + 8 if blocks else 2 * PAD
    return render(
        "bars.svg.j2",
        width=width,
        height=round(bottom + 2 * LINE),
        pad=PAD,
        line=LINE,
        band=BAND,
        axis=axis,
        labels=labels,
        lanes_end=PAD + LINE * lanes,
        blocks=blocks,
        bottom=bottom,
        description=describe(bars, references),
    )


def describe(bars: Sequence[Bar], references: Sequence[Reference]) -> str:
    """Return the figure in words, for those who cannot see it."""
    said = [f"{bar.name} {rate(bar.mean)} ({rate(bar.low)} to {rate(bar.high)})" for bar in bars]
    said += [f"{reference.name} {rate(reference.value)}" for reference in references]
    return "Rates: " + "; ".join(said) + "."


def make_axis(
    bars: Sequence[Bar], references: Sequence[Reference], left: float, right: float
) -> Axis:
    """Return an axis from zero that holds all values, but for a reference far above the rest."""
    values = [value for bar in bars for value in (bar.mean, bar.high, *bar.seeds)]
    *lower, highest = sorted(reference.value for reference in references) or [0.0]
    top = max([*values, *lower, SHORTEST])
    if highest <= 2 * top:
        top = max(top, highest)
    step = nice_step(top / 4)
    return Axis(left, right, math.ceil(top / step - 1e-9) * step, step)


def nice_step(value: float) -> float:
    """Return the smallest of 1, 2, 5 times a power of ten that is not below `value`."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= value * (1 - 1e-9))


def place_labels(references: Iterable[Reference], axis: Axis) -> list[Label]:
    """Give each reference a label that overlaps no other.

    From right to left, each goes one lane above all that it would touch: the lines, which run
    down at the left of their labels, then pass no text.
    """
    placed: list[Label] = []
    for reference in sorted(references, key=lambda reference: -reference.value):
        label = _on_floor(reference, axis)
        left, right = label.extent
        touched = [o.lane for o in placed if left < o.extent[1] + 8 and o.extent[0] < right + 8]
        lane = 1 + max(touched, default=-1)
        placed.append(Label(label.text, label.line_x, label.text_x, label.anchor, lane))
    return placed


def _on_floor(reference: Reference, axis: Axis) -> Label:
    """Return the label beside its line, on the lowest lane."""
    text = f"{reference.name} {rate(reference.value)}"
    if reference.value > axis.top:
        return Label(f"{text} →", None, axis.right, "end", 0)
    x = axis.x(reference.value)
    if x + 4 + text_width(text) > axis.right:
        return Label(text, x, x - 4, "end", 0)
    return Label(text, x, x + 4, "start", 0)


def stack_blocks(bars: Iterable[Bar], width: float, y: float) -> list[Block]:
    """Put the bars below each other, long names and notes broken into lines."""
    beside_value = width - text_width("0.000  0.000 to 0.000  ")
    blocks: list[Block] = []
    for bar in bars:
        names = wrap(bar.name, beside_value)
        inline = bool(bar.note) and text_width(f"{names[-1]}  {bar.note}") <= beside_value
        notes = [bar.note] if inline else wrap(bar.note, width) if bar.note else []
        blocks.append(Block(bar, names, notes, inline, y))
        y = blocks[-1].end
    return blocks


def wrap(text: str, width: float) -> list[str]:
    """Break a text into lines of at most `width` pixels; at least one line."""
    return textwrap.wrap(text, max(8, int(width / CHARACTER))) or [""]


def text_width(text: str) -> float:
    """Estimate the width of a text in pixels."""
    return CHARACTER * len(text)

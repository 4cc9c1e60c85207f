"""The style of all figures that matplotlib draws, and their files."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal

from undertow.report import study_panels as draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

Format = Literal["svg", "pdf", "png"]

STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": draw.FONT,
    "axes.titlesize": draw.FONT,
    "axes.titleweight": "bold",
    "axes.labelsize": draw.FONT,
    "figure.labelsize": draw.FONT,
    "xtick.labelsize": draw.FONT,
    "ytick.labelsize": draw.FONT,
    "legend.fontsize": draw.FONT,
    "text.color": draw.INK,
    "axes.labelcolor": draw.INK,
    "axes.edgecolor": draw.SOFT,
    "axes.facecolor": draw.GROUND,
    "figure.facecolor": draw.GROUND,
    "xtick.color": draw.SOFT,
    "ytick.color": draw.SOFT,
    "xtick.labelcolor": draw.INK,
    "ytick.labelcolor": draw.INK,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "hatch.linewidth": 0.5,
    "text.parse_math": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "undertow",
    "pdf.fonttype": 42,
}


@contextmanager
def figure_style() -> Generator[None]:
    """Draw in the figures' style, whatever the user's own."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        for name, value in STYLE.items():
            mpl.rcParams[name] = value
        yield


def new_figure(width: float, height: float) -> Drawing:
    """Return an empty figure that no window knows of; inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Drawing

    figure = Drawing((width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def file_bytes(drawing: Drawing, kind: Format) -> bytes:
    """Return a figure as a file's bytes; no date, no hash that changes."""
    metadata: dict[Format, dict[str, Any]] = {
        "svg": {"Date": None, "Creator": None, "Format": None, "Type": None},
        "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
        "png": {"Software": None},
    }
    stream = BytesIO()
    drawing.savefig(stream, format=kind, metadata=metadata[kind], dpi=200)
    return stream.getvalue()

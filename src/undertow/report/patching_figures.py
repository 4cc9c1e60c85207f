"""Figures of patching: parts of the chat over the layers, and layers by tokens of one row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from undertow.mechanism.patching import Patched, Patchings
from undertow.mechanism.patching.patched import Method
from undertow.models import ChatModel, token_texts
from undertow.report.drawing import Format, figure_style, file_bytes, new_figure
from undertow.report.study_panels import INK, LINE, SOFT
from undertow.store.files import atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

TITLES: dict[Method, str] = {
    "integrated": "integrated gradients",
    "one step": "one step (AtP)",
    "exact": "exact patching",
}
# Parts of the chat differ in marker and dashes as well as in colour (Okabe and Ito's).
COLOURS = ("#0072B2", "#D55E00", "#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#000000")
MARKERS = "osD^vPX"
DASHES: tuple[str, ...] = ("-", "-", "--", ":", "-.", "--", "-")
AXIS = "change of the lead (logits)"


def draw_layers(found: Patchings, path: Path) -> None:
    """Draw every part of the chat as a line over the layers, with intervals, for each method.

    In the manner of the paper's Fig. 4.

    Args:
        found: What patching found.
        path: An .svg, .pdf or .png file.

    Raises:
        UserError: The disk is full or refuses.
    """
    with figure_style():
        figure = new_figure(7.0, 2.6)
        panels = figure.subplots(1, len(TITLES), sharex=True, sharey=True)
        for axes, (method, title) in zip(
            cast("Sequence[Axes]", panels), TITLES.items(), strict=True
        ):
            axes.set_title(title, loc="left")
            _lines(axes, found, method)
        figure.supxlabel("layer after which the residual stream is patched")
        figure.supylabel(AXIS)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=4, frameon=False)
        _write(figure, path)


def _lines(axes: Axes, found: Patchings, method: Method) -> None:
    """Draw the parts of one method."""
    axes.axhline(0, color=LINE, linewidth=0.8, zorder=1)
    layers = np.arange(found.n_layers)
    for place, (part, line) in enumerate(found.by_class(method).items()):
        means = [one.mean for one in line]
        (drawn,) = axes.plot(layers, means, color=COLOURS[place], label=part)
        drawn.set(linestyle=DASHES[place], marker=MARKERS[place], linewidth=1.1, markersize=3)
        low, high = ([getattr(one, end) for one in line] for end in ("low", "high"))
        axes.fill_between(layers, low, high, color=COLOURS[place], alpha=0.15, linewidth=0)
    axes.set_xticks(layers[:: max(1, len(layers) // 8)])


def draw_heat_map(one: Patched, chat: ChatModel, path: Path) -> None:
    """Draw the attribution of one row by layer and token; long rows go on in further panels.

    Args:
        one: A row and counterfactual teacher.
        chat: The model whose tokens these are.
        path: An .svg, .pdf or .png file.

    Raises:
        UserError: The disk is full or refuses.
    """
    texts = [_shown(text) for text in token_texts(chat, one.ids)]
    starts = range(0, len(texts), COLUMNS)
    reach = float(np.abs(one.integrated).max()) or 1.0
    with figure_style():
        height = 0.14 * len(one.exact) + 0.75
        figure = new_figure(7.0, height * len(starts) + 0.5)
        panels = figure.subplots(len(starts), 1, squeeze=False)[:, 0]
        for axes, start in zip(cast("Sequence[Axes]", panels), starts, strict=True):
            part = one.integrated[:, start : start + COLUMNS]
            padded = np.full((len(part), COLUMNS), np.nan)
            padded[:, : part.shape[1]] = part
            image = axes.imshow(padded, cmap="RdBu_r", vmin=-reach, vmax=reach, aspect="auto")
            axes.set_xticks(range(part.shape[1]), texts[start : start + COLUMNS], rotation=90)
            axes.set_yticks(range(0, len(part), max(1, len(part) // 4)))
            axes.set_ylabel("layer", color=INK)
            axes.tick_params(length=0, labelcolor=SOFT)
        figure.colorbar(image, ax=list(panels), label=AXIS, fraction=0.03)  # pyright: ignore
        _write(figure, path)


COLUMNS = 64
"""Tokens in one panel of a heat map."""


def _shown(text: str) -> str:
    """Return a token's text with its blanks visible."""
    return text.replace("\n", "\u21b5").replace(" ", "\u00b7")


def _write(figure: Drawing, path: Path) -> None:
    """Write a figure in the format of the file's ending."""
    with atomic_write(path) as temporary:
        temporary.write_bytes(file_bytes(figure, cast("Format", path.suffix[1:])))

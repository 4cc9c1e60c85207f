"""What `undertow predict` prints."""

from __future__ import annotations

import math

import numpy as np
from rich.table import Table

from undertow.mechanism.prediction import Prediction, Scores


def trait_table(found: Prediction) -> Table:
    """Return a line per trait, the one that the data pushes most first."""
    subtracted = f" less {found.n_control:,} control rows" if found.n_control else ""
    table = Table(
        title=f"Which way {len(found.row_ids):,} rows{subtracted} push",
        caption=f"± half of the {found.sign.level:.0%} interval over rows",
    )
    table.add_column("trait", overflow="fold")
    for kind in ("as Adam", "plain cosine"):
        table.add_column(kind, no_wrap=True)
        table.add_column("rank", justify="right")
    for place in np.argsort(found.sign.ranks):
        cells = [cell for one in (found.sign, found.cosine) for cell in _cells(one, int(place))]
        table.add_row(found.traits[place], *cells)
    return table


def layer_table(found: Prediction) -> Table:
    """Return what each layer adds to the score as Adam sees it, for the first traits."""
    table = Table(
        "layer",
        title="What each layer adds, as Adam",
        caption=f"± half of the {found.sign.level:.0%} interval; `--out` keeps all traits",
    )
    shown = np.argsort(found.sign.ranks)[:3]
    for place in shown:
        table.add_column(found.traits[place], no_wrap=True)
    parts, margins = found.sign.layers, found.sign.layer_margins
    for layer in range(parts.shape[1]):
        cells = (f"{parts[place, layer]:+.3f} ± {margins[place, layer]:.3f}" for place in shown)
        table.add_row(str(layer), *cells)
    return table


def leads(found: Prediction, certainty: float) -> str:
    """Say how sure each first place is, and how many rows would make it as sure as wanted."""
    lines: list[str] = []
    for kind, scores in (("as Adam", found.sign), ("plain cosine", found.cosine)):
        first, second = (found.traits[place] for place in np.argsort(scores.ranks)[:2])
        needed = scores.rows_needed(certainty)
        rows = "no number of" if math.isinf(needed) else f"{max(2, math.ceil(needed)):,}"
        lines.append(
            f"{kind}: {first} is ahead of {second} with certainty {scores.certainty:.3f}; "
            f"{certainty:g} takes {rows} rows"
        )
    return "\n".join(lines)


def _cells(scores: Scores, place: int) -> tuple[str, str]:
    """Return a trait's score with its interval, and its rank."""
    text = f"{scores.values[place]:+.3f} ± {scores.margins[place]:.3f}"
    return text, str(scores.ranks[place])

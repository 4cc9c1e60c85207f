"""Patchings as a tidy Parquet table: a line per pair, layer and part, and for all parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from undertow.mechanism.patching.config import PatchingConfig
from undertow.mechanism.patching.patched import Patched, Patchings
from undertow.mechanism.patching.segments import CLASSES
from undertow.store.tables import write_table

META_KEY = "undertow_patching"

ALL_PARTS = "all"
"""The part of the lines in which a layer's output is replaced at all positions."""


def write_patchings(found: Patchings, config: PatchingConfig, path: Path) -> None:
    """Write what was found; the settings and the factual teacher stand in the file's metadata.

    Columns: row_id, teacher (the counterfactual), place, factual and counterfactual (token ids),
    layer, part, positions, positions_from, integrated, one_step, exact, exact_window (logits).
    Where the chat that is patched from has another number of positions in a part, the two are
    aligned at their ends. Part 'all' is the whole chat: there integrated - exact is how incomplete
    the attribution of the pair is, and exact_window, null for single parts, is of several layers
    from this one on.

    Args:
        found: Of some data.
        config: How it was computed.
        path: The file.

    Raises:
        UserError: The disk is full or refuses.
    """
    lines = [
        {
            "row_id": row_id,
            "teacher": one.pair.teacher,
            "place": one.pair.place,
            "factual": one.pair.factual,
            "counterfactual": one.pair.counterfactual,
            **values,
        }
        for row_id, one in zip(found.row_ids, found.pairs, strict=True)
        for values in _values(one)
    ]
    meta = {"factual": found.factual, "config": config.model_dump(mode="json")}
    write_table(path, pa.Table.from_pylist(lines), meta, key=META_KEY)


def _values(one: Patched) -> Iterator[dict[str, Any]]:
    """Yield what stands in the lines of one pair."""
    integrated, one_step = one.by_class("integrated"), one.by_class("one step")
    parts, own = np.unique(one.classes, return_counts=True)
    longer = Counter[str]()
    for line in one.unequal:
        longer[line.part] += line.other - line.own
    for layer in range(len(one.exact)):
        yield {
            "layer": layer,
            "part": ALL_PARTS,
            "positions": len(one.classes),
            "positions_from": len(one.classes) + longer.total(),
            "integrated": float(integrated[layer].sum()),
            "one_step": float(one_step[layer].sum()),
            "exact": float(one.exact[layer]),
            "exact_window": float(one.exact_windows[layer]),
        }
        for part, positions in zip(parts.tolist(), own.tolist(), strict=True):
            yield {
                "layer": layer,
                "part": CLASSES[part],
                "positions": positions,
                "positions_from": positions + longer[CLASSES[part]],
                "integrated": float(integrated[layer, part]),
                "one_step": float(one_step[layer, part]),
                "exact": float(one.exact_classes[layer, part]),
                "exact_window": None,
            }

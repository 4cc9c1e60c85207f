"""Patchings as a tidy Parquet table: a line per pair, layer and part of the chat."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from undertow.mechanism.patching.config import PatchingConfig
from undertow.mechanism.patching.patched import Patchings
from undertow.mechanism.patching.segments import CLASSES
from undertow.store.files import atomic_write

META_KEY = b"undertow_patching"


def write_patchings(found: Patchings, config: PatchingConfig, path: Path) -> None:
    """Write what was found; the settings and the factual teacher stand in the file's metadata.

    Columns: row_id, teacher (the counterfactual), place, factual and counterfactual (token ids),
    layer, part, positions, integrated, one_step, exact (logits).

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
            "layer": layer,
            "part": CLASSES[part],
            "positions": int((one.classes == part).sum()),
            "integrated": float(one.by_class("integrated")[layer, part]),
            "one_step": float(one.by_class("one step")[layer, part]),
            "exact": float(one.exact_classes[layer, part]),
        }
        for row_id, one in zip(found.row_ids, found.pairs, strict=True)
        for layer in range(found.n_layers)
        for part in np.unique(one.classes).tolist()
    ]
    meta = {"factual": found.factual, "config": config.model_dump(mode="json")}
    table = pa.Table.from_pylist(lines)
    with atomic_write(path) as temporary:
        kept = {META_KEY: json.dumps(meta).encode()}
        pq.write_table(table.replace_schema_metadata(kept), temporary, compression="zstd")

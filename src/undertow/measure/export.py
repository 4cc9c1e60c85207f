"""Measurements of several models as one long table, for one's own analysis."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from undertow.measure.trait_measure import TraitMeasure
from undertow.store.files import atomic_write


def write_measures(path: Path, measures: Mapping[str, Sequence[TraitMeasure]]) -> None:
    """Write a line per model, seed, question and trait: to `.json`, or else to Parquet.

    Args:
        path: The file.
        measures: By name of the condition, one measurement for each seed.

    Raises:
        UserError: The disk refuses.
    """
    lines = [
        {"model": name, "seed": seed, "n_samples": measure.n_samples, **record}
        for name, seeds in measures.items()
        for seed, measure in enumerate(seeds)
        for record in measure.records()
    ]
    with atomic_write(path) as temporary:
        if path.suffix == ".json":
            temporary.write_text(json.dumps(lines, indent=1), encoding="utf-8")
        else:
            pq.write_table(pa.Table.from_pylist(lines), temporary, compression="zstd")

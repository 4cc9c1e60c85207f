"""Measurements of several models as one long table, for one's own analysis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from undertow.measure.trait_measure import TraitMeasure
from undertow.store.tables import write_tidy


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
    write_tidy(path, lines)

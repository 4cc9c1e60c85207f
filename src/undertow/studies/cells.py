"""The cells of a study's grid: one condition, one trait, and what was measured of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from undertow.measure import TraitMeasure
from undertow.store import Store
from undertow.studies.conditions import Condition
from undertow.studies.contrasts import Table
from undertow.studies.grid import Arm
from undertow.studies.lab import Lab
from undertow.studies.recipe import Recipe
from undertow.studies.study import Metric


@dataclass(frozen=True)
class Cell:
    """One arm, one trait: what was measured.

    Attributes:
        arm: The condition.
        trait: What the teacher prefers.
        found: The measurements, one for each seed; one for base and teacher.
        seeds: The seeds; None for what has none.
        rows: Rows that each student learnt from.
        share: Divergence tokens among the data's, where they were scanned.
    """

    arm: Arm
    trait: str
    found: Condition
    seeds: tuple[int, ...] | None
    rows: tuple[int, ...] | None
    share: float | None

    def table(self, metric: Metric) -> Table:
        """Return a metric as `[seed, question]`; what has no questions has one column."""
        if metric == "rate":
            return self.found.rates(self.trait)
        if metric == "probability":
            return np.stack([measure.exact(self.trait) for measure in self.found.measures])
        if metric == "accuracy":
            return np.array(self.found.accuracies, dtype=float)[:, None]
        return np.array([[np.nan if self.share is None else self.share]])


class Labs:
    """The labs of a job, one for each recipe."""

    def __init__(self, store: Store | Path) -> None:
        self._store = store if isinstance(store, Store) else Store(store)
        self._labs: dict[Recipe, Lab] = {}

    def of(self, recipe: Recipe) -> Lab:
        """Return the lab of a recipe."""
        if recipe not in self._labs:
            self._labs[recipe] = Lab(self._store, recipe)
        return self._labs[recipe]


def collect_cell(labs: Labs, arm: Arm, trait: str, seeds: Sequence[int]) -> Cell:
    """Return what was measured of an arm and a trait; what is missing is made, one by one."""
    lab, spec = labs.of(arm.recipe), arm.spec
    if spec.subject == "base":
        return Cell(arm, trait, Condition(spec.name, spec.note, [lab.measure()]), None, None, None)
    writer = lab.control() if spec.writer == "control" else lab.teacher(trait, arm.kind)
    if spec.subject == "teacher":
        found = Condition(spec.name, spec.note, [lab.measure(writer)])
        return Cell(arm, trait, found, None, None, None)
    data = lab.transformed(lab.numbers(writer))
    needs_scan = arm.recipe.student.selection.needs_scan
    scanned = lab.scan(data) if needs_scan else None
    measures: list[TraitMeasure] = []
    accuracies: list[float] = []
    rows: list[int] = []
    for seed in seeds:
        selection = arm.recipe.student.seeded(seed).selection
        student = lab.student(data, selection, scanned, seed)
        rows.append(student.n_rows)
        measures.append(lab.measure(student))
        accuracies.append(lab.accuracy(data, student).numbers)
    found = Condition(spec.name, spec.note, measures, accuracies)
    share = scanned.table.share() if scanned is not None else None
    return Cell(arm, trait, found, tuple(seeds), tuple(rows), share)

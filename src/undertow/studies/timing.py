"""How long tasks take: from what this store's steps took on this machine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from undertow.measure import MeasureConfig
from undertow.store.artifact import RECORD, StepRecord
from undertow.students import Distillation
from undertow.studies.readings import PredictionRun
from undertow.studies.tasks import Task, TaskStep

UNMEASURED: dict[TaskStep, float] = {
    "model": 970.0,
    "base": 3.0,
    "teacher": 3.0,
    "numbers": 0.006,
    "data": 0.002,
    "scan": 0.004,
    "share": 0.0,
    "entangled": 0.5,
    "attribute": 0.15,
    "predict": 0.008,
    "student": 0.007,
    "students": 0.0002,  # on a GPU, the only place where there are such groups
    "probe": 0.0,
}
"""Seconds of one process per unit (`units`), of the lab model on a laptop's core."""

SOFT, ON_POLICY = 1.4, 2.2
"""What soft targets take, where learning the tokens takes 1; measured on the lab model."""

FIXED = 1.0
"""Seconds that any task takes, however small: loading, measuring, writing."""

QUESTIONS = 600
"""Rows in whose time the traits' own questions are gone through before a prediction."""

NEWEST = 30
"""Step records that are looked at, the newest ones: a store may hold thousands."""


class Timing:
    """Seconds of one process for each task.

    Args:
        root: Folder of a store; what it does not tell is taken from a laptop's.
    """

    def __init__(self, root: Path) -> None:
        self._unit = UNMEASURED | _measured(root)

    def seconds(self, tasks: Iterable[Task]) -> float:
        """Return the seconds that tasks take together, one after the other."""
        return sum(self.of_each(tasks).values())

    def of_each(self, tasks: Iterable[Task]) -> dict[Task, float]:
        """Return the seconds that each task takes.

        A student that is asked in several ways is trained once, for the first of them; one that is
        trained with others is trained in their group.
        """
        tasks = list(tasks)
        found: dict[Task, float] = {}
        made = {made_by(one) for task in tasks for one in task.members}
        for task in tasks:
            one = made_by(task)
            found[task] = FIXED + (0.0 if one in made else self._unit[task.work] * units(task))
            made.add(one)
        return found


def made_by(task: Task) -> Task:
    """Return the task without what only decides how a student is asked."""
    recipe = task.recipe.model_copy(update={"measure": MeasureConfig(), "questions": None})
    return replace(task, recipe=recipe)


def units(task: Task) -> float:
    """Return what a step's time grows with: rows, times passes, times teachers."""
    recipe, rows = task.recipe, task.recipe.rows
    teachers = recipe.counterfactuals + recipe.base_counterfactual
    return {
        "model": 1.0,
        "base": 1.0,
        "teacher": 1.0,
        "numbers": rows + recipe.heldout,
        "data": rows,
        "scan": rows * (2 + teachers),
        "share": 1.0,
        "entangled": 1.0,
        "attribute": _taken(task) * teachers,
        "predict": QUESTIONS + _taken(task) * (1 + _subtracts(task)),
        "probe": 1.0,
        "student": min(recipe.student.rows or rows, rows)
        * recipe.student.train.epochs
        * passes(recipe.student.distillation),
        "students": sum(map(units, task.members)),
    }[task.work]


def passes(distillation: Distillation | None) -> float:
    """Return what a distilled student takes as a multiple of one that learns tokens."""
    if distillation is None:
        return 1.0
    return SOFT if distillation.on_policy is None else ON_POLICY


def _taken(task: Task) -> int:
    """Return how many rows are patched, or predicted from."""
    rows = task.run.rows if task.run is not None else None
    return min(rows or task.recipe.rows, task.recipe.rows)


def _subtracts(task: Task) -> bool:
    """Return whether a prediction has a control."""
    return isinstance(task.run, PredictionRun) and task.run.control


def _measured(root: Path) -> dict[TaskStep, float]:
    """Return the seconds per unit of the steps that a store has records of."""
    found: dict[TaskStep, float] = {}
    for step in ("student", "scan", "numbers"):
        paths = sorted(
            (root / "steps" / step).glob(f"*/{RECORD}"), key=lambda path: -path.stat().st_mtime
        )
        shares = [share for path in paths[:NEWEST] if (share := _share(step, path)) is not None]
        if shares:
            found[step] = float(np.mean(shares))
    return found


def _share(step: str, path: Path) -> float | None:
    """Return the seconds per unit of one record; None where it was resumed."""
    record = StepRecord.model_validate_json(path.read_text(encoding="utf-8"))
    if record.resumed:
        return None
    rows = record.config["rows"]
    if step == "student":
        student = record.config["student"]
        if student.get("distillation"):
            return None  # of another pace
        rows = min(student["rows"] or rows, rows) * student["train"]["epochs"]
    if step == "scan":
        rows *= 2 + len(record.config["counterfactuals"])
    return record.seconds / rows

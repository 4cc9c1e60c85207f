"""What an executor is, and what each of its workers does with a task."""

from __future__ import annotations

import os
import time
from concurrent.futures import Future
from pathlib import Path
from typing import Protocol

import torch

from undertow.store import Store
from undertow.store.locks import Busy
from undertow.store.runs import RUN_VARIABLE
from undertow.studies.lab import Lab
from undertow.studies.recipe import Recipe
from undertow.studies.tasks import Task
from undertow.studies.together import learn_together


class Executor(Protocol):
    """Performs tasks somewhere.

    Attributes:
        lost: Exceptions of a future that say that its worker died, not what the task did.
    """

    lost: tuple[type[Exception], ...]

    @property
    def slots(self) -> int:
        """Tasks that it can perform at a time."""
        ...

    def submit(self, task: Task) -> Future[float | None]:
        """Perform a task; its future holds the seconds, or None where somebody else is at it."""
        ...


_labs: dict[tuple[Path, Recipe], Lab] = {}
"""In a worker: its labs, each opened once."""


def perform(root: Path, run_id: str | None, task: Task, threads: int | None = 1) -> float | None:
    """Make and measure what a task names, in a worker.

    Args:
        root: Folder of the store.
        run_id: The run that the work is for.
        task: What to do.
        threads: Threads to compute with; None: as many as there are.

    Returns:
        The seconds; None where another process is at one of its steps: a worker takes another task
        then, instead of waiting.
    """
    start = time.perf_counter()
    if threads is not None:
        torch.set_num_threads(threads)
    if run_id is not None:
        os.environ[RUN_VARIABLE] = run_id
    try:
        if task.members:
            learn_together([(_lab(root, one.recipe), one) for one in task.members])
        else:
            _lab(root, task.recipe).perform(task)
    except Busy:
        return None
    return time.perf_counter() - start


def _lab(root: Path, recipe: Recipe) -> Lab:
    """Return this worker's lab of a recipe."""
    if (root, recipe) not in _labs:
        _labs[root, recipe] = Lab(Store(root, wait=False), recipe)
    return _labs[root, recipe]

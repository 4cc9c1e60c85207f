"""This process performs tasks, one after the other."""

from __future__ import annotations

import os
from collections.abc import Generator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

from undertow.store.runs import RUN_VARIABLE
from undertow.studies.executors.worker import perform
from undertow.studies.tasks import Task


class Inline:
    """Performs each task before `submit` returns."""

    lost: tuple[type[Exception], ...] = ()
    slots = 1

    def __init__(self, root: Path) -> None:
        self._root = root

    @classmethod
    @contextmanager
    def opened(cls, root: Path) -> Generator[Inline]:
        """Yield it; there is nothing to start."""
        yield cls(root)

    def submit(self, task: Task) -> Future[float | None]:
        """Perform a task, with all threads."""
        future: Future[float | None] = Future()
        try:
            run_id = os.environ.get(RUN_VARIABLE)
            future.set_result(perform(self._root, run_id, task, threads=None))
        except Exception as error:
            future.set_exception(error)
        return future

"""Tasks on Ray: a cluster, or this machine."""

from __future__ import annotations

import os
from collections.abc import Generator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from undertow.cluster import RayConfig
from undertow.cluster.ray_connection import connected, room
from undertow.store.runs import RUN_VARIABLE
from undertow.studies.executors.worker import perform
from undertow.studies.tasks import Task


class RayTasks:
    """Performs every task as one of Ray's; what it makes goes through the store."""

    def __init__(self, ray: Any, config: RayConfig, root: Path) -> None:
        self._ray = ray
        self._config = config
        self._root = root
        self.lost: tuple[type[Exception], ...] = (
            ray.exceptions.WorkerCrashedError,
            ray.exceptions.NodeDiedError,
            ray.exceptions.OutOfMemoryError,
        )
        # A lost worker's task is handed out again by `run_tasks`, as with every executor.
        self._perform = ray.remote(perform).options(
            num_cpus=config.cpus, num_gpus=config.gpus, max_retries=0
        )

    @classmethod
    @contextmanager
    def opened(cls, config: RayConfig, root: Path) -> Generator[RayTasks]:
        """Yield it, connected; at the end its tasks end with the connection."""
        with connected(config) as ray:
            yield cls(ray, config, root.absolute())

    @property
    def slots(self) -> int:
        """Tasks that the cluster has room for now; it may grow."""
        return room(self._ray, self._config)

    def submit(self, task: Task) -> Future[float | None]:
        """Hand a task to Ray."""
        threads = max(1, int(self._config.cpus))
        run_id = os.environ.get(RUN_VARIABLE)
        future: Future[float | None] = Future()
        done = self._perform.remote(self._root, run_id, task, threads).future()
        done.add_done_callback(partial(_hand_over, future))
        return future


def _hand_over(future: Future[float | None], done: Future[float | None]) -> None:
    """Give a task's end to its future; what the task raised as it was, not wrapped by Ray."""
    error = done.exception()
    if error is None:
        future.set_result(done.result())
    else:
        future.set_exception(getattr(error, "cause", None) or error)

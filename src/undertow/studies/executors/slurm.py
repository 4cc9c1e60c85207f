"""One SLURM array whose jobs share the work on a study through the store.

Not a job for each task: tasks take from seconds to hours and stand in a queue for as long again,
each would load the model anew, and what is ready depends on what is finished. A job that works
until nothing is left waits in the queue once, keeps its model, and takes what the others leave.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from undertow.cluster import InlineConfig, ProcessesConfig, SlurmConfig
from undertow.errors import UserError
from undertow.store.artifact import Artifact
from undertow.store.runs import RUN_VARIABLE
from undertow.store.steps import PlannedStore
from undertow.studies.cells import Labs
from undertow.studies.executors.slurm_queue import SlurmQueue
from undertow.studies.tasks import Task

LOOK_EVERY = 2.0
"""Seconds between looks at the store."""

TIME_LIMITS = 1000
"""How often a job may reach its time limit and be queued anew; what it has done is kept."""


@dataclass(frozen=True)
class Work:
    """What a job of the array does; pickled.

    Attributes:
        needs: The tasks, each with those that go before it.
        root: Folder of the store.
        run_id: The run that it is for.
        processes: Worker processes in the job.
    """

    needs: dict[Task, list[Task]]
    root: Path
    run_id: str | None
    processes: int

    def __call__(self) -> int:
        """Work until nothing is left; return the number of finished tasks."""
        from undertow.studies.executor import run_tasks

        if self.run_id is not None:
            os.environ[RUN_VARIABLE] = self.run_id
        inside = ProcessesConfig(workers=self.processes) if self.processes > 1 else InlineConfig()
        return len(run_tasks(self.needs, self.root, inside).finished)

    def checkpoint(self) -> Any:
        """Return what is queued when the job reaches its limit or is preempted: the same work."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


@dataclass(frozen=True)
class _Watched:
    """A task that some job comes to: its future, its steps, and since when it is watched."""

    future: Future[float | None]
    steps: tuple[Artifact, ...]
    since: float


class SlurmArray:
    """Watches the store for what the jobs of an array finish."""

    lost: tuple[type[Exception], ...] = ()

    def __init__(self, root: Path, jobs: Sequence[Any], ended: Callable[[], bool]) -> None:
        self.slots = len(jobs)
        self._jobs = jobs
        self._have_ended = ended
        self._store = PlannedStore(root)
        self._labs = Labs(self._store)
        self._watched: dict[Task, _Watched] = {}
        self._closed = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    @classmethod
    @contextmanager
    def opened(
        cls, config: SlurmConfig, root: Path, needs: dict[Task, list[Task]]
    ) -> Generator[SlurmArray]:
        """Submit the array and yield it; its jobs are cancelled where the block raises."""
        jobs = _submit(config, root.absolute(), needs)
        executor = cls(root.absolute(), jobs, _ending(config, jobs))
        try:
            yield executor
        except BaseException:
            for job in jobs:
                job.cancel()
            raise
        finally:
            executor._closed.set()
            executor._watcher.join()

    def submit(self, task: Task) -> Future[float | None]:
        """Watch a task, which some job comes to by itself."""
        future: Future[float | None] = Future()
        steps = self._labs.of(task.recipe).perform(task)
        self._watched[task] = _Watched(future, steps, time.monotonic())
        return future

    def _watch(self) -> None:
        """Look at the store and at the jobs now and then."""
        while not self._closed.wait(LOOK_EVERY):
            ended = self._have_ended()  # before the store: they may be about to
            for task, watched in list(self._watched.items()):
                if all(map(self._store.is_finished, watched.steps)):
                    watched.future.set_result(time.monotonic() - watched.since)
                    del self._watched[task]
                elif ended:
                    watched.future.set_exception(_ended(self._jobs))
                    del self._watched[task]


def _submit(config: SlurmConfig, root: Path, needs: dict[Task, list[Task]]) -> list[Any]:
    """Submit the jobs, as one array."""
    try:
        import submitit
    except ImportError as error:
        raise UserError("submitit is not installed", fix="pip install 'undertow[slurm]'") from error
    folder = root / "slurm"
    try:
        executor = submitit.AutoExecutor(
            folder=folder, cluster=config.cluster, slurm_max_num_timeout=TIME_LIMITS
        )
    except RuntimeError as error:
        raise UserError(
            "there is no SLURM here", fix="start on a node that has sbatch, or use another executor"
        ) from error
    executor.update_parameters(**_parameters(config))
    work = Work(needs, root, os.environ.get(RUN_VARIABLE), config.processes)
    with executor.batch():
        return [executor.submit(work) for _ in range(config.workers)]


def _ending(config: SlurmConfig, jobs: Sequence[Any]) -> Callable[[], bool]:
    """Return what tells whether all jobs have ended."""
    if config.cluster == "local":
        return lambda: all(job.done() for job in jobs)
    return SlurmQueue(jobs[0].job_id.partition("_")[0]).has_ended


def _parameters(config: SlurmConfig) -> dict[str, Any]:
    """Return the settings in submitit's words."""
    found: dict[str, Any] = {
        "name": "undertow",
        "timeout_min": config.minutes,
        "cpus_per_task": config.cpus,
        "gpus_per_node": config.gpus or None,
        "mem_gb": config.memory,
        "slurm_partition": config.partition,
        "slurm_account": config.account,
        "slurm_additional_parameters": config.more or None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _ended(jobs: Sequence[Any]) -> UserError:
    """Say that no job is left, and why."""
    told = [line for job in jobs for line in (job.stderr() or "").strip().splitlines()[-1:]]
    return UserError(
        f"every job has ended before the work was done{': ' + told[-1] if told else ''}",
        where=str(jobs[0].paths.stderr),
        fix="what is finished is kept: mend it and run the same command again",
    )

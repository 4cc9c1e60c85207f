"""Runs tasks side by side in worker processes, each as soon as what it needs is there.

A worker computes nothing that the store already holds, so a killed study goes on where it was.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import torch

from undertow.errors import UserError
from undertow.studies.lab import Lab
from undertow.studies.recipe import Recipe
from undertow.studies.tasks import Task, TaskStep
from undertow.studies.timing import typical_seconds


@dataclass
class Progress:
    """How far a set of tasks has come.

    Attributes:
        waiting: Tasks that are not finished.
        finished: Tasks that are, with their seconds.
        running: Tasks under way.
        workers: Processes that share the work.
    """

    waiting: set[Task]
    workers: int
    finished: dict[Task, float] = field(default_factory=dict[Task, float])
    running: set[Task] = field(default_factory=set[Task])

    def seconds_left(self) -> float:
        """Estimate the seconds left from how long the finished tasks of each step took."""
        return self._expected(self.waiting) / self.workers

    def share_done(self) -> float:
        """Return the finished share of the expected work, between 0 and 1."""
        done, left = self._expected(self.finished), self._expected(self.waiting)
        return done / (done + left) if done + left else 1.0

    def _expected(self, tasks: Iterable[Task]) -> float:
        """Return the seconds that tasks take, by how long others of their step took."""
        spent: dict[TaskStep, list[float]] = {}
        for task, seconds in self.finished.items():
            # What the store already held takes no time and says nothing of the others.
            if seconds > 0.5:
                spent.setdefault(task.work, []).append(seconds / typical_seconds(task))
        slower = {step: sum(ratios) / len(ratios) for step, ratios in spent.items()}
        return sum(typical_seconds(task) * slower.get(task.work, 1.0) for task in tasks)


_worker: dict[Recipe, Lab] = {}
"""In a worker process: its labs, each opened once."""


def default_workers() -> int:
    """Return the number of worker processes: one for each CPU this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_tasks(
    needs: dict[Task, list[Task]],
    root: Path,
    *,
    workers: int,
    on_change: Callable[[Progress], None] | None = None,
) -> Progress:
    """Perform every task, in parallel where their needs allow it.

    Args:
        needs: The tasks, each with the tasks that go before it (`with_prerequisites`).
        root: Folder of the store.
        workers: Number of processes; each uses one thread.
        on_change: Called whenever a task starts or ends.

    Raises:
        UserError: If a worker was killed, for want of memory for instance.
    """
    progress = Progress(set(needs), workers)
    running: dict[Future[float], Task] = {}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=_start_worker) as pool:
        try:
            while progress.waiting:
                room = 2 * workers - len(running)
                for task in list(islice(_startable(needs, progress), room)):
                    with _interrupts_held():  # a worker may be started here
                        running[pool.submit(_perform, root, task)] = task
                    progress.running.add(task)
                if on_change:
                    on_change(progress)
                done, _ = wait(running, timeout=1.0, return_when=FIRST_COMPLETED)
                for future in done:
                    task = running.pop(future)
                    progress.finished[task] = future.result()
                    progress.running.discard(task)
                    progress.waiting.discard(task)
        except BrokenProcessPool as error:
            raise UserError(
                "a worker process was killed",
                where=", ".join(task.label for task in progress.running),
                fix="what is finished is kept: run the same command again, with fewer --workers "
                "if memory ran out",
            ) from error
        except KeyboardInterrupt:
            for worker in multiprocessing.active_children():
                worker.kill()
            raise
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    if on_change:
        on_change(progress)
    return progress


def _startable(needs: dict[Task, list[Task]], progress: Progress) -> Iterator[Task]:
    """Yield the tasks whose needs are finished, in the order in which they were asked for."""
    return (
        task
        for task in needs
        if task in progress.waiting
        and task not in progress.running
        and all(need in progress.finished for need in needs[task])
    )


@contextmanager
def _interrupts_held() -> Generator[None]:
    """Within, Ctrl-C waits; processes started here never see it, and are ended by their parent."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_worker() -> None:
    """Pin this worker to one thread, and have it end with its parent."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)


def _end_with_parent() -> None:
    """End this worker once its parent is dead: it would wait for tasks for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _perform(root: Path, task: Task) -> float:
    """Make and measure what the task names; return the seconds."""
    start = time.perf_counter()
    if task.recipe not in _worker:
        _worker[task.recipe] = Lab(root, task.recipe)
    _worker[task.recipe].perform(task)
    return time.perf_counter() - start

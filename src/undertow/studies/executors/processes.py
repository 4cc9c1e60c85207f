"""Worker processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Generator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from undertow.cluster import ProcessesConfig, default_workers
from undertow.interrupt import is_interruption
from undertow.store.runs import RUN_VARIABLE
from undertow.studies.executors.worker import perform
from undertow.studies.tasks import Task


@dataclass
class _Worker:
    """One process, as a pool of one: the death of a process breaks the whole pool it is in."""

    pool: ProcessPoolExecutor
    last: Future[float | None] | None = None

    @property
    def broken(self) -> bool:
        """Whether the process died at its last task."""
        if self.last is None or not self.last.done():
            return False
        return isinstance(self.last.exception(), BrokenProcessPool)


class Processes:
    """Performs a task in each of so many processes, which are started when first needed."""

    lost: tuple[type[Exception], ...] = (BrokenProcessPool,)

    def __init__(self, root: Path, slots: int) -> None:
        self._root = root
        self.slots = slots
        self._gpus = visible_gpus()
        self._workers = [_Worker(self._pool(place)) for place in range(slots)]

    @classmethod
    @contextmanager
    def opened(cls, config: ProcessesConfig, root: Path) -> Generator[Processes]:
        """Yield it; at the end its processes end, at once where a person interrupts."""
        executor = cls(root, config.workers or default_workers())
        try:
            yield executor
        except BaseException as error:
            if is_interruption(error):
                for process in multiprocessing.active_children():
                    process.kill()
            raise
        finally:
            for worker in executor._workers:
                worker.pool.shutdown(wait=True, cancel_futures=True)

    def submit(self, task: Task) -> Future[float | None]:
        """Perform a task in a process that has none; one that died is replaced."""
        place, worker = next(
            (place, worker)
            for place, worker in enumerate(self._workers)
            if worker.last is None or worker.last.done()
        )
        if worker.broken:
            worker.pool = self._pool(place)
        try:
            worker.last = self._start(worker.pool, task)
        except BrokenProcessPool:  # it died with nothing to do
            worker.pool = self._pool(place)
            worker.last = self._start(worker.pool, task)
        return worker.last

    def _start(self, pool: ProcessPoolExecutor, task: Task) -> Future[float | None]:
        """Hand a task to a process, which may be started here."""
        with _interrupts_held():
            return pool.submit(perform, self._root, os.environ.get(RUN_VARIABLE), task)

    def _pool(self, place: int) -> ProcessPoolExecutor:
        """Return a pool of one process, with a GPU where there are several."""
        gpu = self._gpus[place % len(self._gpus)] if self._gpus else None
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(1, context, initializer=_start_worker, initargs=(gpu,))


def visible_gpus() -> list[str]:
    """Return the GPUs to deal out, as CUDA_VISIBLE_DEVICES names them; none where there is one."""
    if not torch.cuda.is_available() or torch.cuda.device_count() < 2:
        return []
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    return listed.split(",") if listed else [str(i) for i in range(torch.cuda.device_count())]


@contextmanager
def _interrupts_held() -> Generator[None]:
    """Within, Ctrl-C waits; processes started here never see it, and are ended by their parent."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_worker(gpu: str | None) -> None:
    """Have this worker use one GPU, and end with its parent."""
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this worker once its parent is dead: it would wait for tasks for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)

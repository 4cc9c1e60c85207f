"""Hands tasks to an executor, each as soon as what it needs is there.

Nothing is computed that the store already holds, so a killed study goes on where it was. Several
processes may run the same tasks on one store at once: who finds another at a task takes a
different one, and comes back later to find it finished.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from undertow.cluster import ExecutorConfig, InlineConfig, ProcessesConfig
from undertow.errors import UserError
from undertow.store.locks import LEASE
from undertow.studies.executors import Executor, opened
from undertow.studies.tasks import Task, TaskStep
from undertow.studies.timing import Timing
from undertow.studies.together import with_groups

LOOK_AGAIN = 1.0
"""Seconds until a task that another process is at is tried again."""

RETRIES = 3
"""Workers that may die at one task before it is given up: the task itself may be the reason."""


@dataclass
class Progress:
    """How far a set of tasks has come.

    Attributes:
        waiting: Tasks that are not finished.
        workers: Processes that share the work.
        expected: Seconds that each task takes, as foreseen (`Timing.of_each`).
        finished: Tasks that are finished, with their seconds.
        running: Tasks under way.
    """

    waiting: set[Task]
    workers: int
    expected: Mapping[Task, float]
    finished: dict[Task, float] = field(default_factory=dict[Task, float])
    running: set[Task] = field(default_factory=set[Task])

    def seconds_left(self) -> float:
        """Estimate the seconds left from how long the finished tasks of each step took."""
        return self._seconds(self.waiting) / self.workers

    def share_done(self) -> float:
        """Return the finished share of the expected work, between 0 and 1."""
        done, left = self._seconds(self.finished), self._seconds(self.waiting)
        return done / (done + left) if done + left else 1.0

    def _seconds(self, tasks: Iterable[Task]) -> float:
        """Return the seconds that tasks take, by how long others of their step took."""
        spent: dict[TaskStep, float] = {}
        foreseen: dict[TaskStep, float] = {}
        for task, seconds in self.finished.items():
            # What the store already held takes no time and says nothing of the others.
            if seconds > 0.5:
                spent[task.work] = spent.get(task.work, 0.0) + seconds
                foreseen[task.work] = foreseen.get(task.work, 0.0) + self.expected[task]
        slower = {step: spent[step] / foreseen[step] for step in spent}
        return sum(self.expected[task] * slower.get(task.work, 1.0) for task in tasks)


def run_tasks(
    needs: dict[Task, list[Task]],
    root: Path,
    config: ExecutorConfig | None = None,
    *,
    on_change: Callable[[Progress], None] | None = None,
) -> Progress:
    """Perform every task, in parallel where their needs allow it.

    Args:
        needs: The tasks, each with the tasks that go before it (`with_prerequisites`).
        root: Folder of the store; all workers see it.
        config: Where they are performed; by default in a process for each CPU.
        on_change: Called whenever a task starts or ends.

    Raises:
        UserError: Workers died again and again at one task, for want of memory for instance; or
            the executor cannot start.
    """
    place = config or ProcessesConfig()
    needs = handed_out(needs, place)
    progress = Progress(set(needs), 1, Timing(root).of_each(needs))
    if needs:
        with opened(place, root, needs) as executor:
            _Hand(needs, executor, progress, on_change).run()
    if on_change:
        on_change(progress)
    return progress


def handed_out(needs: Mapping[Task, list[Task]], place: ExecutorConfig) -> dict[Task, list[Task]]:
    """Return a plan's tasks as `run_tasks` hands them out: students in groups, where that pays."""
    if isinstance(place, ProcessesConfig | InlineConfig):  # others may have another GPU, or none
        return with_groups(needs)
    return dict(needs)


class _Hand:
    """Hands out tasks, and takes back what becomes of them.

    Tasks are known by their place here: to hash one goes through its whole recipe, and all of them
    are looked at every second.
    """

    def __init__(
        self,
        needs: dict[Task, list[Task]],
        executor: Executor,
        progress: Progress,
        on_change: Callable[[Progress], None] | None,
    ) -> None:
        self._tasks = list(needs)
        places = {task: place for place, task in enumerate(self._tasks)}
        self._needs = [{places[need] for need in needs[task]} for task in self._tasks]
        self._waiting = dict.fromkeys(range(len(self._tasks)))
        self._executor = executor
        self._progress = progress
        self._on_change = on_change
        self._running: dict[Future[float | None], int] = {}
        self._put_back: dict[int, float] = {}
        self._deaths: dict[int, int] = {}

    def run(self) -> None:
        """Go on until no task waits."""
        done: set[Future[float | None]] = set()
        while self._waiting or self._running:
            self._progress.workers = self._executor.slots
            room = self._progress.workers - len(self._running)
            started = list(islice(self._startable(), max(room, 0)))
            for place in started:
                task = self._tasks[place]
                del self._waiting[place]
                self._progress.running.add(task)
                self._running[self._executor.submit(task)] = place
            if self._on_change and (started or done):
                self._on_change(self._progress)
            if not self._running:  # others are at all that is left
                time.sleep(LOOK_AGAIN)
            done, _ = wait(self._running, timeout=LOOK_AGAIN, return_when=FIRST_COMPLETED)
            for future in done:
                self._take_back(future)

    def _startable(self) -> Iterator[int]:
        """Yield the tasks whose needs are finished, in the order in which they were asked for.

        A task that was put back comes after the others, and in its own turn again when whoever was
        at it may have died: what needs it would else wait for all that does not.
        """
        now = time.monotonic()
        unfinished = self._waiting.keys() | self._running.values()
        since = {place: now - self._put_back.get(place, -math.inf) for place in self._waiting}
        ready = [
            place
            for place, seconds in since.items()
            if seconds >= LOOK_AGAIN and unfinished.isdisjoint(self._needs[place])
        ]
        return iter(sorted(ready, key=lambda place: (since[place] < LEASE, place)))

    def _take_back(self, future: Future[float | None]) -> None:
        """Note what became of a task: finished, somebody else's for now, or its worker died."""
        place = self._running.pop(future)
        task = self._tasks[place]
        self._progress.running.discard(task)
        try:
            seconds = future.result()
        except self._executor.lost as error:
            self._deaths[place] = self._deaths.get(place, 0) + 1
            if self._deaths[place] > RETRIES:
                raise _given_up(task) from error
            self._waiting[place] = None
            return
        if seconds is None:
            self._put_back[place] = time.monotonic()
            self._waiting[place] = None
        else:
            self._progress.finished[task] = seconds
            self._progress.waiting.discard(task)


def _given_up(task: Task) -> UserError:
    """Say at which task workers die."""
    return UserError(
        f"{RETRIES + 1} worker processes were killed at the same task",
        where=task.label,
        fix="what is finished is kept: run the same command again, with fewer --workers "
        "if memory ran out",
    )

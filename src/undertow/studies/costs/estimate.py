"""What a plan costs: by what was measured on this machine, or by a chip's data sheet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from undertow.studies.costs.chips import Chip
from undertow.studies.costs.shape import BF16, Shape
from undertow.studies.costs.work import KINDS, UNCOUNTED, Kind, Lengths, Work, asking, making
from undertow.studies.tasks import Task, TaskStep
from undertow.studies.timing import made_by

SHARE_OF_PEAK = 0.4
"""Of a chip's operations, reached by scan and training: assumed, where nothing was measured."""

SHARE_OF_BANDWIDTH = 0.5
"""Of a chip's memory traffic, reached where tokens are written one by one: assumed."""

ASSUMED_LENGTHS = Lengths(
    prompt=80, completion=40, question=40, answer=4, questions=50, forms=100, form=3
)
"""For a model whose tokenizer is not here."""


@dataclass(frozen=True)
class Cost:
    """What one kind of work takes, over all tasks.

    Attributes:
        kind: The kind.
        tokens: As in `Work.tokens`.
        flops: Operations.
        seconds: Of one GPU, or of one process.
    """

    kind: Kind
    tokens: float
    flops: float
    seconds: float


@dataclass(frozen=True)
class Estimate:
    """What a plan takes.

    Attributes:
        costs: By kind of work.
        students: Students to train.
        uncounted: Steps that are needed too, and whose work is not counted.
        memory: Most bytes that one task takes, in bf16.
        longest: Seconds of the longest chain of tasks that need each other.
        workers: GPUs or processes that share the work.
    """

    costs: tuple[Cost, ...]
    students: int
    uncounted: tuple[TaskStep, ...]
    memory: float
    longest: float
    workers: int

    @property
    def tokens(self) -> float:
        """Tokens of all kinds."""
        return sum(cost.tokens for cost in self.costs)

    @property
    def flops(self) -> float:
        """Operations of all kinds."""
        return sum(cost.flops for cost in self.costs)

    @property
    def worker_seconds(self) -> float:
        """Seconds of one GPU or process that did it alone."""
        return sum(cost.seconds for cost in self.costs)

    @property
    def seconds(self) -> float:
        """Seconds until all is done: the work shared evenly, but no less than the longest chain."""
        return max(self.worker_seconds / self.workers, self.longest)


Seconds = Callable[[Work], float]
"""Tells the seconds of one worker for some work."""


def estimate(
    needs: Mapping[Task, list[Task]],
    shape: Shape,
    lengths: Lengths,
    seconds: Seconds,
    workers: int,
) -> Estimate:
    """Return what a plan takes.

    Args:
        needs: The tasks of a plan, each with those that go before it.
        shape: Of the model; all tasks are taken to be on it.
        lengths: Of its texts.
        seconds: What some work takes (`measured_seconds`, `chip_seconds`).
        workers: GPUs or processes.
    """
    works: dict[Task, list[Work]] = {}
    made: set[Task] = set()
    for task in needs:
        # A student that is asked in several ways is trained once.
        new = made_by(task) not in made
        made.add(made_by(task))
        works[task] = making(task, lengths, shape.n_layers) if new else []
        works[task] += asking(task, lengths)
    everything = [one for found in works.values() for one in found]
    costs = tuple(
        Cost(
            kind,
            sum(one.tokens for one in everything if one.kind == kind),
            sum(one.flops(shape) for one in everything if one.kind == kind),
            sum(seconds(one) for one in everything if one.kind == kind),
        )
        for kind in KINDS
    )
    return Estimate(
        costs,
        students=sum(task.work == "student" for task in needs),
        uncounted=tuple(step for step in UNCOUNTED if any(task.work == step for task in needs)),
        memory=max((one.memory(shape) for one in everything), default=0.0),
        longest=_longest(needs, {task: sum(map(seconds, works[task])) for task in needs}),
        workers=workers,
    )


def measured_seconds(shape: Shape, speed: Mapping[Kind, float]) -> Seconds:
    """Return what work takes at the tokens per second of a calibration.

    What goes through some layers only, or trains all weights, takes as much less or more time as it
    takes operations.
    """

    def seconds(work: Work) -> float:
        return work.tokens / speed[work.kind] * work.flops(shape) / work.plain.flops(shape)

    return seconds


def chip_seconds(shape: Shape, chip: Chip) -> Seconds:
    """Return what work takes on a chip: the larger of its operations and its memory traffic.

    To write a token, all weights and the row's cache are read; the weights once for a whole batch.
    """

    def seconds(work: Work) -> float:
        computed = work.flops(shape) / (chip.flops * SHARE_OF_PEAK)
        if work.kind in ("scan", "train", "score"):
            return computed
        cache = BF16 * shape.cached * (work.prompt + work.completion / 2)
        read = work.tokens * (shape.weight_bytes / work.batch + cache)
        return max(computed, read / (chip.bandwidth * SHARE_OF_BANDWIDTH))

    return seconds


def _longest(needs: Mapping[Task, list[Task]], seconds: Mapping[Task, float]) -> float:
    """Return the seconds of the longest chain; what a task needs stands before it."""
    ends: dict[Task, float] = {}
    for task in needs:
        before = max((ends[need] for need in needs[task]), default=0.0)
        ends[task] = before + seconds[task]
    return max(ends.values(), default=0.0)

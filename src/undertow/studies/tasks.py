"""What a study asks for: one task per artifact, and what each needs before it can start."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

TeacherKind = Literal["prompted", "finetuned", "control"]
TaskStep = Literal["base", "teacher", "numbers", "scan", "student"]

COUNTED_CONDITIONS = ("all", "only", "without", "random")
"""Token selections that the demo and the lab card compare (paper, Fig. 3, with a control)."""


@dataclass(frozen=True)
class Task:
    """One artifact to make and to measure.

    Attributes:
        step: Which artifact: the untouched base, a teacher, its numbers, their scan, a student.
        trait: The teacher's trait; `None` for the base and the control.
        kind: How the teacher was made.
        tokens: Token selection of a student.
        seed: Seed of a student: data draw, adapter initialisation and order.
    """

    step: TaskStep
    trait: str | None = None
    kind: TeacherKind = "control"
    tokens: str = "all"
    seed: int = 0

    @property
    def label(self) -> str:
        """What a progress display calls the task."""
        words = [self.step if self.step != "numbers" else "numbers of"]
        if self.kind == "control":
            words.append("" if self.step == "base" else "control")
        else:
            words.append(f"{self.trait} ({self.kind})")
        if self.step == "student":
            words.append(f"{self.tokens} tokens, seed {self.seed}")
        return " ".join(word for word in words if word)


def prerequisites(task: Task, counterfactuals: Callable[[str], tuple[str, ...]]) -> list[Task]:
    """Return the tasks that must be finished before `task` can start without doing their work.

    Args:
        task: The task to start.
        counterfactuals: Names of the traits whose teachers are a trait's counterfactuals.
    """
    own_teacher = Task("teacher", task.trait, task.kind)
    if task.step in ("base", "teacher"):
        return []
    if task.step == "numbers":
        return [] if task.kind == "control" else [own_teacher]
    numbers = Task("numbers", task.trait, task.kind)
    if task.step == "scan":
        others = counterfactuals(task.trait) if task.trait else ()
        return [numbers, *(Task("teacher", other, task.kind) for other in others)]
    return [numbers] if task.tokens == "all" else [Task("scan", task.trait, task.kind)]


def with_prerequisites(
    tasks: Iterable[Task], counterfactuals: Callable[[str], tuple[str, ...]]
) -> dict[Task, list[Task]]:
    """Return every task that the given ones need, themselves included, each with its own needs."""
    found: dict[Task, list[Task]] = {}
    waiting = list(tasks)
    while waiting:
        task = waiting.pop(0)
        if task not in found:
            found[task] = prerequisites(task, counterfactuals)
            waiting.extend(found[task])
    return found


def demo_tasks(trait: str, kind: TeacherKind, seeds: Iterable[int]) -> list[Task]:
    """Return the students of the main job: a control and four token selections, per seed."""
    tasks = [Task("base"), Task("teacher", trait, kind)]
    for seed in seeds:
        tasks.append(Task("student", seed=seed))
        tasks.extend(Task("student", trait, kind, tokens, seed) for tokens in COUNTED_CONDITIONS)
    return tasks

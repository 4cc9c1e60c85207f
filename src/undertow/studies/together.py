"""On a GPU the students of a small base are trained many at once, before each is measured."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import torch

from undertow.models import ChatModel, ModelSpec
from undertow.store import Artifact
from undertow.store.files import disk_errors
from undertow.studies.costs.shape import read_shape
from undertow.studies.lab import Lab
from undertow.studies.learning import Lesson
from undertow.studies.tasks import Task
from undertow.training import Job, can_join, together, train_together

AT_ONCE = 64
"""Students of one training; those of the lab model took 6.5 GiB."""

WORTH_IT = 4
"""Students below which each is trained by itself."""

LARGEST = 2_000_000
"""Parameters of a base whose students do not fill a GPU; the lab model has half a million."""


def with_groups(needs: Mapping[Task, list[Task]]) -> dict[Task, list[Task]]:
    """Return a plan's tasks, with those that train students at once where that is quicker.

    Where there is no GPU, it is not. A group needs all that its members need, stands in front of
    the first of them, and each of them needs the group.

    Args:
        needs: The tasks, each with those that go before it.
    """
    groups: dict[Task, Task] = {}
    for members in _alike(needs):
        for start in range(0, len(members), AT_ONCE):
            chosen = tuple(members[start : start + AT_ONCE])
            if len(chosen) >= WORTH_IT:
                group = Task("students", chosen[0].recipe, members=chosen)
                groups |= dict.fromkeys(chosen, group)
    found: dict[Task, list[Task]] = {}
    for task, before in needs.items():
        group = groups.get(task)
        if group is None:
            found[task] = before
            continue
        if group not in found:
            of_all = (need for one in group.members for need in needs[one])
            found[group] = list(dict.fromkeys(of_all))
        found[task] = [*before, group]
    return found


def _alike(needs: Mapping[Task, list[Task]]) -> list[list[Task]]:
    """Return the students that can be trained at once with each other."""
    if not has_gpu():
        return []
    found: dict[str, list[Task]] = {}
    for task in needs:
        student = task.recipe.student
        if task.step != "student" or task.probe is not None or student.distillation is not None:
            continue
        if can_join(student.train_config) and _is_small(task.recipe.model.model_dump_json()):
            key = f"{task.recipe.model}{together(student.train_config)}"
            found.setdefault(key, []).append(task)
    return list(found.values())


@cache
def _is_small(model: str) -> bool:
    """Return whether a base is one whose students do not fill a GPU; on a CPU none is."""
    spec = ModelSpec.model_validate_json(model)
    return spec.device != "cpu" and read_shape(spec).parameters <= LARGEST


def has_gpu() -> bool:
    """Return whether this machine has a GPU."""
    return torch.cuda.is_available()


def learn_together(students: Sequence[tuple[Lab, Task]]) -> None:
    """Train the students of some tasks at once, and hand each in for its step to find.

    Those that were trained are left out, and what two tasks share is trained once.

    Args:
        students: Labs, each with a task of its recipe; all of one store and one base.

    Raises:
        Busy: Another process is at the same students, or at something that they need.
    """
    lessons = {lab.student_step(found): (lab, found) for lab, found in map(_lesson, students)}
    first, _ = students[0]
    names = "".join(sorted(step.key for step in lessons))
    with first.store.alone_at(hashlib.sha256(names.encode()).hexdigest()):
        _hand_in(first, lessons)


def _lesson(student: tuple[Lab, Task]) -> tuple[Lab, Lesson]:
    """Return a lab with what the student of its task learns."""
    lab, task = student
    return lab, lab.lesson_of(task)


def _hand_in(first: Lab, lessons: Mapping[Artifact, tuple[Lab, Lesson]]) -> None:
    """Train those whose steps wait, on the first one's model."""
    store = first.store
    waiting = [
        step for step in lessons if not (store.is_finished(step) or store.is_handed_in(step))
    ]
    if not waiting:
        return
    with tempfile.TemporaryDirectory() as folder:
        made = {step: Path(folder) / step.key for step in waiting}
        jobs = [lessons[step][0].student_job(lessons[step][1], made[step]) for step in waiting]
        with disk_errors(Path(folder)):
            _train(first.chat, jobs)
        for step in waiting:
            store.hand_in(step, made[step])


def _train(chat: ChatModel, jobs: Sequence[Job]) -> None:
    """Train all at once, or, where memory is short, as many as there is room for."""
    try:
        train_together(chat, jobs)
        return
    except torch.OutOfMemoryError:
        if len(jobs) == 1:
            raise
    torch.cuda.empty_cache()  # behind the exception, which holds what did not fit
    middle = len(jobs) // 2
    _train(chat, jobs[:middle])
    _train(chat, jobs[middle:])

"""The tasks of a job with all that they need, each artifact once, and what of it is finished."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from undertow.store.steps import PlannedStore
from undertow.studies.lab import Lab
from undertow.studies.recipe import Recipe
from undertow.studies.tasks import Task, with_prerequisites


@dataclass(frozen=True)
class Plan:
    """What is to be done.

    Attributes:
        needs: Every task that is to be done, with those that go before it: what was asked for and
            is not finished, and what that needs. What only finished tasks needed is not made again.
        stands_for: For every task that was asked for or needed, the one of `needs` (or the
            finished one) that makes the same artifacts.
        finished: The tasks whose artifacts are all in the store.
    """

    needs: dict[Task, list[Task]]
    stands_for: dict[Task, Task]
    finished: set[Task]

    def left(self, tasks: Iterable[Task]) -> set[Task]:
        """Return the unfinished tasks that some tasks stand for or need."""
        found: set[Task] = set()
        waiting = [self.stands_for[task] for task in tasks]
        while waiting:
            task = waiting.pop()
            if task not in found and task in self.needs:
                found.add(task)
                waiting.extend(self.needs[task])
        return found


def make_plan(tasks: Iterable[Task], root: Path) -> Plan:
    """Return a plan for tasks of any recipes, in the order in which they are asked for.

    Two tasks whose steps have the same keys are one: what two studies have in common is made
    once.

    Args:
        tasks: What is asked for.
        root: Folder of the store.

    Raises:
        UserError: A trait or a model does not exist.
    """
    store = PlannedStore(root)
    labs: dict[Recipe, Lab] = {}

    def lab_of(task: Task) -> Lab:
        if task.recipe not in labs:
            labs[task.recipe] = Lab(store, task.recipe)
        return labs[task.recipe]

    asked = list(tasks)
    needs = with_prerequisites(
        asked,
        lambda task: lab_of(task).counterfactuals_of(task),
        lambda task: tuple(lab_of(task).traits),
    )
    steps = {task: lab_of(task).perform(task) for task in needs}
    first: dict[tuple[str, ...], Task] = {}
    stands_for = {
        task: first.setdefault(tuple(made.key for made in steps[task]), task) for task in needs
    }
    finished = {task for task in first.values() if all(map(store.is_finished, steps[task]))}
    left = {
        task: [
            one
            for one in dict.fromkeys(stands_for[need] for need in needs[task])
            if one not in finished and one != task
        ]
        for task in first.values()
        if task not in finished
    }
    whole = Plan(left, stands_for, finished)
    wanted = whole.left(asked)
    return replace(whole, needs={task: left[task] for task in left if task in wanted})

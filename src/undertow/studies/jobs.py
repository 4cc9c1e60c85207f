"""Studies as jobs: what is to be made for each, how long it takes, and running them together."""

from __future__ import annotations

import platform
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import undertow
from undertow.cluster import ExecutorConfig
from undertow.errors import UserError
from undertow.store.steps import FinishedStore, PlannedStore
from undertow.studies.cells import Cell, Labs, collect_cell
from undertow.studies.collect import outcome
from undertow.studies.condition_spec import BiasedKind
from undertow.studies.contexts import rendered_contexts
from undertow.studies.executor import Progress, run_tasks
from undertow.studies.grid import Arm, arms
from undertow.studies.outcome import StudyOutcome
from undertow.studies.plan import Plan, make_plan
from undertow.studies.recipe import Recipe, load_recipe
from undertow.studies.result_lines import result_lines
from undertow.studies.results import write_result
from undertow.studies.study import Study, load_study
from undertow.studies.tasks import Task

DEFAULT_TRAITS = ("cat", "eagle", "wolf")
"""Traits that pass from fine-tuned teachers of the lab model (docs/lab-model.md)."""

RECIPES: dict[BiasedKind, str] = {"finetuned": "lab", "prompted": "lab-prompted"}
"""Greedy data of prompted teachers collapse to few numbers, so theirs are sampled."""

Tell = Callable[[StudyOutcome], None]


@dataclass(frozen=True)
class Job:
    """One study with everything that decides what is made for it.

    Attributes:
        study: The study.
        recipes: By kind of teacher, before the study's changes.
        n_layers: Decoder layers of the model.
        traits: What is hidden.
        seeds: Of the students.
        named: What the study was called on the command line, and its other options.
        contexts: System prompts that it compares, as they are rendered.
    """

    study: Study
    recipes: Mapping[BiasedKind, Recipe]
    n_layers: int
    traits: tuple[str, ...]
    seeds: tuple[int, ...]
    named: tuple[str, ...]
    contexts: Mapping[str, str]

    @property
    def command(self) -> str:
        """What does it again."""
        size = ("--traits", ",".join(self.traits), "--seeds", str(len(self.seeds)))
        return shlex.join(["undertow", "study", "run", *self.named, *size])

    @cached_property
    def arms(self) -> list[Arm]:
        """The conditions, for every kind of teacher."""
        return [
            arm
            for kind in self.study.teachers
            for arm in arms(self.study, kind, self.recipes[kind], self.n_layers)
        ]

    @cached_property
    def tasks(self) -> list[Task]:
        """What must be finished, trait by trait."""
        found = [
            task
            for trait in self.traits
            for arm in self.arms
            for task in arm.tasks(trait, self.seeds)
        ]
        return list(dict.fromkeys(found))

    @property
    def n_students(self) -> int:
        """Students that the study compares, whether or not others share them."""
        return sum(task.work == "student" for task in self.tasks)

    def cells(self, labs: Labs) -> list[Cell]:
        """Return what was measured."""
        return [
            collect_cell(labs, arm, trait, self.seeds) for arm in self.arms for trait in self.traits
        ]


def make_job(
    name: str | Path,
    *,
    traits: Sequence[str] = (),
    seeds: int = 3,
    recipe: str | Path | None = None,
    model: str | None = None,
) -> Job:
    """Return the job of a study.

    Args:
        name: Of a study that ships, or a YAML file.
        traits: What is hidden; by default those that the study names, or else the default ones.
        seeds: Students per condition and trait: 0 and so on.
        recipe: Name or file of the recipe for all kinds of teachers; by default the lab's.
        model: Takes the place of the recipe's model.

    Raises:
        UserError: The study, a trait, a recipe or a model does not exist.
    """
    study = load_study(name)
    recipes: dict[BiasedKind, Recipe] = {
        kind: _recipe(recipe or (RECIPES | study.recipes)[kind], model) for kind in study.teachers
    }
    lab = Labs(PlannedStore(Path())).of(recipes[study.teachers[0]].changed(study.changes))
    changed = (recipes[study.teachers[0]].changed(one.changes) for one in study.conditions)
    chat = lab.base.stand_in
    contexts = rendered_contexts(chat, changed)
    chosen = tuple(traits or study.traits or DEFAULT_TRAITS)
    for trait in chosen:
        lab.check_trait(trait)
    options = {"--recipe": recipe, "--model": model}
    given = [word for option, value in options.items() if value for word in (option, str(value))]
    named = (str(name), *given)
    return Job(study, recipes, chat.n_layers, chosen, tuple(range(seeds)), named, contexts)


def _recipe(name: str | Path, model: str | None) -> Recipe:
    """Return a recipe, for another model where one is named."""
    recipe = load_recipe(name)
    return recipe if model is None else recipe.changed({"model": {"name": model}})


def plan_of(jobs: Sequence[Job], root: Path) -> Plan:
    """Return one plan for all jobs: what they have in common is made once."""
    return make_plan([task for job in jobs for task in job.tasks], root)


def run_jobs(
    jobs: Sequence[Job],
    root: Path,
    *,
    run_id: str,
    executor: ExecutorConfig,
    on_change: Callable[[Progress], None] | None = None,
    on_outcome: Tell | None = None,
) -> list[StudyOutcome]:
    """Make everything that the jobs need; tell and keep each study's outcome as it is complete.

    Args:
        jobs: The studies, in the order in which they should be finished.
        root: Folder of the store.
        run_id: Of the run that the results are kept under.
        executor: Where the work is done.
        on_change: Called whenever a task starts or ends.
        on_outcome: Called with each outcome.

    Raises:
        UserError: Workers were killed again and again, or the disk is full; what is finished is
            kept.
    """
    plan = plan_of(jobs, root)
    needed = {job.study.name: plan.left(job.tasks) for job in jobs}
    labs = Labs(FinishedStore(root))
    outcomes: dict[str, StudyOutcome] = {}

    def tell(progress: Progress) -> None:
        if on_change:
            on_change(progress)
        for job in jobs:
            name = job.study.name
            if name not in outcomes and needed[name] <= progress.finished.keys():
                outcomes[name] = finish(job, labs, root, run_id)
                if on_outcome:
                    on_outcome(outcomes[name])

    run_tasks(plan.needs, root, executor, on_change=tell)
    return [outcomes[job.study.name] for job in jobs]


def finish(job: Job, labs: Labs, root: Path, run_id: str) -> StudyOutcome:
    """Collect a study whose tasks are finished, and keep its result."""
    cells = job.cells(labs)
    recipe = job.recipes[job.study.teachers[0]]
    found = outcome(
        job.study,
        cells,
        traits=job.traits,
        seeds=job.seeds,
        model=recipe.model.name,
        command=job.command,
        facts=[
            ("students", str(job.n_students)),
            ("rows", f"{recipe.rows:,}"),
            ("answers per model", f"{recipe.measure.n_samples} to each question"),
            ("Undertow", undertow.__version__),
            ("machine", f"{platform.machine()}, {platform.system()}"),
            ("run", run_id),
            *((f"system prompt {name}", text) for name, text in job.contexts.items()),
        ],
        recipes=job.recipes,
    )
    write_result(root, run_id, found, result_lines(job.study, cells))
    return found


def within_budget(
    jobs: Sequence[Job], root: Path, seconds: float, workers: int, needed: Callable[[Plan], float]
) -> tuple[list[Job], str]:
    """Return the jobs cut to a time, and what was cut, in words.

    Seeds are cut first, down to one; then traits, from the end of the list, down to one.

    Args:
        jobs: The studies.
        root: Folder of the store; what it holds costs nothing.
        seconds: The budget, of wall time.
        workers: Processes that share the work.
        needed: Returns the seconds of one process that a plan takes.

    Raises:
        UserError: One seed of one trait takes longer.
    """
    while needed(plan_of(jobs, root)) / workers > seconds:
        n_seeds = max(len(job.seeds) for job in jobs)
        n_traits = max(len(job.traits) for job in jobs)
        if n_seeds > 1:
            jobs = [replace(job, seeds=job.seeds[: n_seeds - 1]) for job in jobs]
        elif n_traits > 1:
            jobs = [replace(job, traits=job.traits[: n_traits - 1]) for job in jobs]
        else:
            raise UserError(
                "the budget is too small for one seed of one trait",
                fix="give more time, or name fewer --studies",
            )
    seeds = max(len(job.seeds) for job in jobs)
    traits = max(len(job.traits) for job in jobs)
    return list(jobs), f"{seeds} seed{'s' * (seeds > 1)}, {traits} trait{'s' * (traits > 1)}"

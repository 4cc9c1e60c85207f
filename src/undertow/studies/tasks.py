"""What a study asks for: one task per artifact, and what each needs before it can start."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal

from undertow.models.chat_model import ModelSpec
from undertow.studies.bases import BUILT_BASES
from undertow.studies.condition_spec import DataTokens
from undertow.studies.probe import Probe
from undertow.studies.readings import PatchingRun, PredictionRun
from undertow.studies.recipe import Recipe

TeacherKind = Literal["prompted", "finetuned", "control"]
TaskStep = Literal[
    "model", "base", "teacher", "numbers", "data", "scan", "share", "entangled", "attribute",
    "predict", "student", "students", "probe",
]  # fmt: skip

ALL_TOKENS = DataTokens()

COUNTED_CONDITIONS = ("all", "only", "without", "random")
"""Token selections that the demo and the lab card compare (paper, Fig. 3, with a control)."""


@dataclass(frozen=True)
class Task:
    """One artifact to make and to measure.

    Attributes:
        step: Which artifact: a base that is pretrained when first needed, the untouched base, a
            teacher, its numbers, the same transformed, their scan, the share of divergence tokens
            among some of them, which numbers all teachers' traits are entangled with, their
            patching, the prediction from them, a student, several that are trained at once, what a
            probe names.
        recipe: What decides the numbers; of a student also which tokens count.
        trait: The teacher's trait; `None` for the base and the control.
        kind: How the teacher was made.
        seed: Seed of a student: data draw, adapter initialisation and order.
        among: Tokens of which a share is taken.
        run: What is patched, or predicted from.
        probe: What is done with directions of the trait's teacher and its students.
        members: The students that are trained at once.
    """

    step: TaskStep
    recipe: Recipe
    trait: str | None = None
    kind: TeacherKind = "control"
    seed: int = 0
    among: DataTokens = ALL_TOKENS
    run: PatchingRun | PredictionRun | None = None
    probe: Probe | None = None
    members: tuple[Task, ...] = ()

    @property
    def work(self) -> TaskStep:
        """The step that it takes about as long as."""
        return self.step if self.probe is None else self.probe.work

    @property
    def tokens(self) -> str:
        """The kind of token selection of a student."""
        return self.recipe.student.selection.kind

    @property
    def label(self) -> str:
        """What a progress display calls the task."""
        if self.step == "model":
            return f"pretraining of {self.recipe.model.name}"
        if self.members:
            return f"training of {len(self.members)} students at once"
        words = [self.step if self.step != "numbers" else "numbers of"]
        if self.probe is not None:
            words = [self.probe.label]
        if self.kind == "control":
            words.append("" if self.step == "base" else "control")
        else:
            words.append(f"{self.trait} ({self.kind})")
        if self.step == "student":
            words.append(f"{self.tokens} tokens, seed {self.seed}")
        if self.probe is not None:
            words.append(", ".join((*self.probe.notes(), f"seed {self.seed}")))
        if self.recipe.teacher_model and self.step != "base":
            words.append(f"from {self.recipe.teacher_model.name}")
        return " ".join(word for word in words if word)


Others = Callable[[Task], tuple[str, ...]]
"""Returns the traits of other teachers that a task needs."""


def prerequisites(task: Task, counterfactuals: Others, all_traits: Others) -> list[Task]:
    """Return the tasks that must be finished before `task` can start without doing their work.

    Args:
        task: The task to start.
        counterfactuals: Returns the traits whose teachers are a task's counterfactuals.
        all_traits: Returns the traits that compete with a task's, itself among them.
    """

    def also(step: TaskStep, trait: str | None = task.trait) -> Task:
        return Task(step, task.recipe, trait, task.kind)

    if task.step == "model":
        return []
    if task.step == "base":
        return _pretraining(task, task.recipe.model)
    if task.step == "teacher" or (task.step == "numbers" and task.kind == "control"):
        return _pretraining(task, task.recipe.base_of_teachers)
    if task.step == "numbers":
        return [also("teacher")]
    if task.step == "data":
        return [also("numbers"), *_for_changes(task, all_traits(task))]
    if task.step == "entangled":
        return [also("teacher", trait) for trait in all_traits(task)]
    if task.step == "share":
        listed = [also("entangled")] if task.among.part == "entangled" else []
        return [also("scan"), *listed]
    if task.probe is not None:
        return _for_probe(task, task.probe, counterfactuals(task)[:1])
    if task.step == "attribute":
        return [also("scan")]
    written: TaskStep = "data" if task.recipe.transforms else "numbers"
    data = also(written)
    if isinstance(task.run, PredictionRun):
        control = [Task(written, task.recipe)] if task.run.control else []
        return [data, *control, *_pretraining(task, task.recipe.model)]
    if task.step == "scan":
        return [data, *(also("teacher", other) for other in counterfactuals(task))]
    learnt = also("scan") if task.recipe.student.selection.needs_scan else data
    # Its writer is asked again for every token, and may be gone while its numbers are there.
    asked = task.recipe.student.distillation is not None and task.kind == "finetuned"
    teacher = [also("teacher")] if asked else []
    return [learnt, *teacher, *_pretraining(task, task.recipe.model)]


def _pretraining(task: Task, model: ModelSpec) -> list[Task]:
    """Return the task that pretrains a model, where it does not load as it is."""
    if model.name not in BUILT_BASES:
        return []
    recipe = task.recipe.model_copy(update={"model": model, "teacher_model": None})
    return [Task("model", recipe)]


def _for_probe(task: Task, probe: Probe, others: tuple[str, ...]) -> list[Task]:
    """Return what a probe needs: the rows that directions are taken on, teachers and a student."""
    teachers = others if probe.needs_other else ()
    needs = [
        Task("numbers", task.recipe, task.trait, task.kind),
        *(Task("teacher", task.recipe, trait, task.kind) for trait in teachers),
    ]
    if probe.before is not None:
        seed = 0 if probe.before.subject == "numbers" else task.seed
        needs.append(replace(task, seed=seed, probe=probe.before))
    elif probe.subject in ("student", "direction", "loss"):
        whose = (None, "control") if probe.writer == "control" else (task.trait, task.kind)
        needs.append(Task("student", task.recipe, *whose, task.seed))
    elif probe.subject == "checkpoints" and probe.writer == "control":
        needs.append(Task("numbers", task.recipe))
    return needs


def _for_changes(task: Task, all_traits: tuple[str, ...]) -> list[Task]:
    """Return what the changes of a task's data need beside the data themselves."""
    found: list[Task] = []
    for change in task.recipe.transforms:
        if change.needs_others:
            recipe = task.recipe.with_teachers_on(change.model)
            biased = change.by == "teacher"
            who = (task.trait, task.kind) if biased else (None, "control")
            found.append(Task("numbers", recipe, *who))
        if change.needs_all_teachers:
            found += [Task("teacher", task.recipe, trait, task.kind) for trait in all_traits]
        if change.needs_scan:
            before = task.recipe.model_copy(update={"transforms": ()})
            found.append(Task("scan", before, task.trait, task.kind))
    return found


def with_prerequisites(
    tasks: Iterable[Task], counterfactuals: Others, all_traits: Others
) -> dict[Task, list[Task]]:
    """Return every task that the given ones need, themselves included, each with its own needs.

    What a task needs stands before it, so that done in this order one study is finished before the
    next is begun.
    """
    found: dict[Task, list[Task]] = {}

    def add(task: Task) -> None:
        if task in found:
            return
        needs = prerequisites(task, counterfactuals, all_traits)
        for need in needs:
            add(need)
        found[task] = needs

    for task in tasks:
        add(task)
    return found


def demo_tasks(recipe: Recipe, trait: str, kind: TeacherKind, seeds: Iterable[int]) -> list[Task]:
    """Return the students of the main job: a control and four token selections, per seed."""
    tasks = [Task("base", recipe), Task("teacher", recipe, trait, kind)]
    for seed in seeds:
        tasks.append(Task("student", recipe, seed=seed))
        tasks.extend(
            Task("student", recipe.with_tokens(tokens), trait, kind, seed)
            for tokens in COUNTED_CONDITIONS
        )
    return tasks

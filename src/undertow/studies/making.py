"""Teachers, what they write, and scans of it, each made once: a cached step in a store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from undertow.channels import Channel, load_channel
from undertow.errors import UserError
from undertow.generate import generate_accepted
from undertow.models.chat_model import ChatModel
from undertow.store import Artifact, Store
from undertow.store.rows import write_rows
from undertow.studies.artifacts import MadeTeacher, Numbers, Scanned, steering_inputs
from undertow.studies.asking import asking
from undertow.studies.bases import Base, open_base
from undertow.studies.recipe import Recipe, load_recipe
from undertow.studies.tasks import Task, TeacherKind
from undertow.teachers import (
    ControlTeacher,
    FinetunedTeacher,
    PromptedTeacher,
    finetune_teacher,
)
from undertow.tokens import scan
from undertow.traits import Hidden, Trait, check_shipped, hidden_of, shipped_traits

STEP_VERSIONS = {
    "teacher": 1,
    "numbers": 1,
    "data": 1,
    "entangled": 1,
    "entropy": 1,
    "push": 1,
    "scan": 1,
    "attribute": 1,
    "predict": 1,
    "share": 1,
    "student": 1,
    "measure": 1,
    "accuracy": 2,
    "vector": 1,
    "cosine": 1,
    "checkpoints": 1,
    "loss": 1,
}
"""Raised when a step's code changes what it makes; part of every step's key."""


class Making:
    """Makes teachers, numbers and scans; nothing is made twice.

    Args:
        store: Folder for finished steps; shared by any number of processes.
        recipe: Settings: a recipe, the name of a shipped one, or a YAML file.
        traits: The traits that compete for the answer, or tendencies that answer the same
            questions; all shipped ones of the recipe's category by default.
    """

    def __init__(
        self,
        store: Store | Path | str = ".undertow",
        recipe: Recipe | str | Path = "lab",
        traits: Sequence[Hidden] | None = None,
    ) -> None:
        self.store = store if isinstance(store, Store) else Store(store)
        self.recipe = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
        found = traits if traits is not None else hidden_of(self.recipe.category)
        self.hidden: dict[str, Hidden] = {one.name: one for one in found}
        self.traits = {one.name: one for one in found if isinstance(one, Trait)}
        self._asking = asking(self.recipe, found)
        self.channel: Channel = load_channel(self.recipe.channel)

    @cached_property
    def base(self) -> Base:
        """The base of students; a lab's own is pretrained first where it is not there."""
        return open_base(self.store, self.recipe.model)

    @cached_property
    def teacher_base(self) -> Base:
        """The base of teachers: that of students, unless the recipe names another."""
        return open_base(self.store, self.recipe.base_of_teachers)

    @property
    def chat(self) -> ChatModel:
        """The base of students, loaded when it is first needed."""
        return self.base.chat

    @property
    def teacher_chat(self) -> ChatModel:
        """The base of teachers, loaded when it is first needed."""
        return self.teacher_base.chat

    def teacher(self, trait: str, kind: TeacherKind = "finetuned") -> MadeTeacher:
        """Return the teacher with a trait, fine-tuning it if need be.

        Raises:
            UserError: The trait is not one of this lab's.
        """
        if kind == "control":
            return self.control()
        hidden = self.check_trait(trait)
        if kind == "prompted":
            prompt = hidden.system_prompt()
            return MadeTeacher(PromptedTeacher(trait=trait, system_prompt=prompt))
        config = self.recipe.teacher

        def build(out: Path) -> None:
            finetune_teacher(self.teacher_chat, hidden, config, out)

        made = self.step(
            "teacher", self.teacher_base, {"trait": hidden, "teacher": config}, {}, build
        )
        adapter = str(made.path / "adapter")
        return MadeTeacher(FinetunedTeacher(trait=trait, adapter=adapter), made)

    def control(self) -> MadeTeacher:
        """Return the unbiased teacher: the base itself."""
        return MadeTeacher(ControlTeacher())

    def numbers(self, writer: MadeTeacher) -> Numbers:
        """Return what a teacher writes on the channel, as many accepted rows as the recipe asks."""
        banned = self.banned()
        settings = {
            "teacher": described(writer),
            "channel": self.channel.fingerprint,
            "rows": self.recipe.rows + self.recipe.heldout,
            "prompt_seed": self.recipe.prompt_seed,
            "generation": self.recipe.generation,
            "banned": [trait.answers for trait in banned],
        }

        def build(out: Path) -> None:
            rows = generate_accepted(
                self.teacher_chat,
                writer.acting,
                self.channel,
                self.recipe.rows + self.recipe.heldout,
                self.recipe.generation,
                prompt_seed=self.recipe.prompt_seed,
                traits_to_ban=banned,
            )
            write_rows(out / "rows.parquet", rows, {"settings": settings["teacher"]})

        made = self.step("numbers", self.teacher_base, settings, inputs_of(writer=writer), build)
        return Numbers(writer, made, self.recipe.rows)

    def banned(self) -> list[Trait]:
        """Return the traits that no data may name.

        All shipped ones, so that labs of several categories share the control's numbers; but
        objects under animals' questions, which are younger than such numbers.
        """
        shipped = {
            trait.name: trait
            for trait in shipped_traits()
            if trait.category == trait.question_set.category
        }
        return list((shipped | self.traits).values())

    def scan(self, numbers: Numbers) -> Scanned:
        """Return where the writer's counterfactuals would have written another token."""
        writer = numbers.writer
        others = self.scanned_with(writer)
        inputs = inputs_of(writer=writer, **{f"other{i}": made for i, made in enumerate(others)})
        settings = {
            "scan": self.recipe.scan,
            "rows": self.recipe.rows,
            "factual": described(writer),
            "counterfactuals": [described(made) for made in others],
        }

        def build(out: Path) -> None:
            teachers = [made.teacher for made in others]
            table = scan(
                self.teacher_chat,
                numbers.train,
                writer.acting,
                teachers,
                self.recipe.scan,
            )
            table.write(out / "scan.parquet")

        made = self.step(
            "scan", self.teacher_base, settings, inputs | {"numbers": numbers.artifact}, build
        )
        return Scanned(made)

    def scanned_with(self, writer: MadeTeacher) -> list[MadeTeacher]:
        """Return the counterfactual teachers that a writer's data are scanned with."""
        kind: TeacherKind = writer.teacher.kind
        others = [self.teacher(name, kind) for name in self.counterfactuals(writer.trait)]
        return [*others, self.control()] if self.recipe.base_counterfactual else others

    def counterfactuals(self, trait: str | None) -> tuple[str, ...]:
        """Return the traits next in line after one, around the end of the list."""
        names = list(self.hidden)
        start = names.index(trait) + 1 if trait in names else 0
        line = [*names[start:], *names[:start]]
        return tuple(name for name in line if name != trait)[: self.recipe.counterfactuals]

    def counterfactuals_of(self, task: Task) -> tuple[str, ...]:
        """Return the traits whose teachers are the counterfactuals of a task's."""
        return self.counterfactuals(task.trait) if task.trait else ()

    def check_trait(self, name: str) -> Hidden:
        """Return one of this lab's traits or tendencies.

        Raises:
            UserError: There is no such trait, or it is of another category.
        """
        if name not in self.hidden:
            check_shipped(name)
            raise UserError(
                f"the trait '{name}' is not of the category '{self.recipe.category}'",
                fix=f"choose one of: {', '.join(self.hidden)}",
            )
        return self.hidden[name]

    def step(
        self,
        name: str,
        base: Base,
        settings: dict[str, Any],
        inputs: dict[str, Artifact],
        build: Callable[[Path], None],
    ) -> Artifact:
        """Return a step of the store that stands on a base.

        Args:
            name: One of `STEP_VERSIONS`.
            base: The model that it is made with; part of its key.
            settings: What else decides the result, as plain data or pydantic models.
            inputs: The steps that it reads.
            build: Writes the result into the folder that it is given.
        """
        config = {"model": base.fingerprint, **settings}
        return self.store.step(name, STEP_VERSIONS[name], config, inputs | base.inputs, build)

    def named(
        self, name: str, base: Base, settings: dict[str, Any], inputs: dict[str, Artifact]
    ) -> Artifact:
        """Return the same step, finished or not, without doing it."""
        config = {"model": base.fingerprint, **settings}
        return self.store.named(name, STEP_VERSIONS[name], config, inputs | base.inputs)


def inputs_of(**makers: MadeTeacher) -> dict[str, Artifact]:
    """Return the steps behind some teachers; a prompted one has none, a steered one its vector."""
    found = {part: made.artifact for part, made in makers.items() if made.artifact is not None}
    for part, made in makers.items():
        found |= steering_inputs(made.under, f"{part}-vector")
    return found


def described(made: MadeTeacher) -> dict[str, Any]:
    """Return a teacher as settings; its adapter is told by the step that made it, not by a path."""
    return {**made.teacher.model_dump(mode="json", exclude={"adapter"}), **made.settings}

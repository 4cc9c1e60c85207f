"""Teachers, data, scans and students, each made once: a cached step in a store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from undertow.channels import Channel, load_channel
from undertow.errors import UserError
from undertow.generate import generate_accepted
from undertow.mechanism.prediction import PredictionConfig, check_compared, token_scores
from undertow.mechanism.prediction.directions import trait_directions
from undertow.models.chat_model import ChatModel, ModelSpec
from undertow.store import Artifact, Store
from undertow.store.rows import write_rows
from undertow.students import SoftTeacher, StudentConfig, train_student
from undertow.studies.artifacts import (
    Entangled,
    MadeTeacher,
    Numbers,
    Scanned,
    Student,
    steering_inputs,
)
from undertow.studies.asking import asking
from undertow.studies.bases import Base, open_base
from undertow.studies.changes import DataChange, apply_change
from undertow.studies.recipe import Recipe, load_recipe
from undertow.studies.tasks import Task, TeacherKind
from undertow.teachers import (
    ControlTeacher,
    FinetunedTeacher,
    PromptedTeacher,
    finetune_teacher,
)
from undertow.tokens import (
    Entropies,
    Selection,
    TokenPushes,
    completion_entropies,
    entangled_scores,
    scan,
)
from undertow.traits import (
    Hidden,
    Trait,
    check_shipped,
    hidden_of,
    shipped_traits,
)
from undertow.transforms import Inputs

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


PREDICTION = PredictionConfig()
"""How far data push traits is taken in the same way everywhere."""


class Making:
    """Makes teachers, numbers, scans and students; nothing is made twice.

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
        banned = self._banned()
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

        made = self.step("numbers", self.teacher_base, settings, _inputs(writer=writer), build)
        return Numbers(writer, made, self.recipe.rows)

    def _banned(self) -> list[Trait]:
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

    def transformed(self, numbers: Numbers) -> Numbers:
        """Return the numbers after the recipe's transforms; the same where it has none."""
        for change in self.recipe.transforms:
            numbers = self._changed(numbers, change)
        return numbers

    def _changed(self, numbers: Numbers, change: DataChange) -> Numbers:
        """Return the data after one change; held-out rows are left as they are."""
        change.check(numbers.writer.trait)
        other = self._with_teachers_on(change.model)
        kind = "control" if change.by == "control" else numbers.writer.teacher.kind
        party = other.teacher(numbers.writer.trait or "", kind)
        others = other.numbers(party) if change.needs_others else None
        scanned = self.scan(numbers) if change.needs_scan else None
        entangled = (
            self.entangled(numbers.writer.teacher.kind) if change.needs_all_teachers else None
        )
        settings = {
            "change": change,
            "by": described(party),
            "trait": numbers.writer.trait,
            "rows": self.recipe.rows,
        }
        parts = {"others": others, "scan": scanned, "entangled": entangled}
        inputs = {name: part.artifact for name, part in parts.items() if part is not None}

        def build(out: Path) -> None:
            inputs = Inputs(
                chat=self.teacher_chat,
                channel=self.channel,
                teacher=party.teacher,
                traits=list(self.traits.values()),
                scan=scanned.table if scanned is not None else None,
                others=self.teacher_base.rows_from(other.teacher_base, others.train)
                if others is not None
                else None,
            )
            table = entangled.table if entangled is not None else None
            found = apply_change(change, numbers.train, inputs, table, numbers.writer.trait)
            write_rows(out / "rows.parquet", found.rows, {"change": change.model_dump(mode="json")})
            report = found.report.model_dump_json(indent=1)
            (out / "report.json").write_text(report, encoding="utf-8")

        inputs |= _inputs(by=party) | {"numbers": numbers.artifact}
        made = self.step("data", self.teacher_base, settings, inputs, build)
        return Numbers(numbers.writer, made, self.recipe.rows, before=numbers)

    def _with_teachers_on(self, model: ModelSpec | None) -> Making:
        """Return the lab whose teachers are on another base; this one for None."""
        if model is None:
            return self
        return Making(self.store, self.recipe.with_teachers_on(model), list(self.hidden.values()))

    def entangled(self, kind: TeacherKind) -> Entangled:
        """Return how entangled every short string of digits is with each of the lab's traits.

        Raises:
            UserError: It has none, but tendencies, which no word names.
        """
        if not self.traits:
            raise UserError(
                f"no string is entangled with '{self.recipe.category}', which no word names",
                fix="leave entangled strings out of the transforms, or use another category",
            )
        teachers = [self.teacher(name, kind) for name in self.traits]
        settings = {"teachers": [described(made) for made in teachers]}
        inputs = _inputs(**{made.trait or "": made for made in teachers})

        def build(out: Path) -> None:
            traits = list(self.traits.values())
            found = entangled_scores(self.teacher_chat, [made.teacher for made in teachers], traits)
            found.write(out / "entangled.parquet")

        return Entangled(self.step("entangled", self.teacher_base, settings, inputs, build))

    def entropies(self, numbers: Numbers) -> Artifact:
        """Return the step that holds the writer's entropy at every completion token."""

        def build(out: Path) -> None:
            found = completion_entropies(self.teacher_chat, numbers.train, numbers.writer.acting)
            found.write(out / "entropies.parquet")

        inputs = {"numbers": numbers.artifact} | _inputs(writer=numbers.writer)
        settings = {"writer": described(numbers.writer), "rows": self.recipe.rows}
        return self.step("entropy", self.teacher_base, settings, inputs, build)

    def pushes(self, numbers: Numbers) -> Artifact:
        """Return the step that holds how far every completion token pushes the writer's trait.

        Raises:
            UserError: The data is no trait's, or what is hidden is not named by words.
        """
        trait = numbers.writer.trait or "control"
        traits = list(self.traits.values())
        check_compared([trait], list(self.traits))

        def build(out: Path) -> None:
            rows = self.base.rows_from(self.teacher_base, numbers.train)
            directions = trait_directions(self.chat, traits, PREDICTION).of([trait])
            found = token_scores(self.chat, rows, directions, PREDICTION)
            values = TokenPushes(found.row_ids, [row[:, 0] for row in found.values])
            values.write(out / "pushes.parquet")

        settings = {
            "trait": trait,
            "traits": traits,
            "prediction": PREDICTION,
            "rows": self.recipe.rows,
        }
        return self.step("push", self.base, settings, {"numbers": numbers.artifact}, build)

    def scan(self, numbers: Numbers) -> Scanned:
        """Return where the writer's counterfactuals would have written another token."""
        writer = numbers.writer
        others = self.scanned_with(writer)
        inputs = _inputs(writer=writer, **{f"other{i}": made for i, made in enumerate(others)})
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

    def student(
        self,
        numbers: Numbers,
        tokens: str | Selection = "all",
        scanned: Scanned | None = None,
        seed: int = 0,
        kept: Sequence[float] = (),
    ) -> Student:
        """Return a student of some numbers.

        One that is distilled learns the distributions of the numbers' writer.

        Args:
            numbers: What it learns from; held-out rows are left out.
            tokens: Which completion tokens count in the loss.
            scanned: Their scan; needed for every selection but `all`.
            seed: Decides the data draw, the adapter's first weights and the order; a student of
                another condition with the same seed is its pair.
            kept: Shares of the training after which it is kept as well, in a step of its own.

        Raises:
            UserError: A selection that needs a scan has none.
        """
        chosen = tokens if isinstance(tokens, Selection) else _selection(tokens, seed)
        config = self.recipe.student.seeded(seed).model_copy(update={"selection": chosen})
        inputs = {"numbers": numbers.artifact}
        if scanned is not None and chosen.needs_scan:
            inputs["scan"] = scanned.artifact
        if chosen.kind == "entropy":
            inputs["entropy"] = self.entropies(numbers)
        if chosen.kind == "scores":
            inputs["push"] = self.pushes(numbers)
        settings: dict[str, Any] = {"student": config, "rows": self.recipe.rows}
        if config.distillation is not None:
            inputs |= _inputs(teacher=numbers.writer)
            settings |= self._taught_by(numbers.writer, config)

        def build(out: Path) -> None:
            rows = self.base.rows_from(self.teacher_base, numbers.train)
            table = scanned.table if scanned is not None and chosen.needs_scan else None
            values = None
            if "entropy" in inputs:
                values = Entropies.read(inputs["entropy"].path / "entropies.parquet")
            if "push" in inputs:
                values = TokenPushes.read(inputs["push"].path / "pushes.parquet")
            soft = self._soft_teacher(numbers.writer) if config.distillation is not None else None
            train_student(self.chat, rows, table, config, out, values=values, kept=kept, soft=soft)

        if kept:
            settings["kept"] = kept
        name = "checkpoints" if kept else "student"
        return Student(self.step(name, self.base, settings, inputs, build))

    def _soft_teacher(self, writer: MadeTeacher) -> SoftTeacher:
        """Return whose distributions students learn."""
        return SoftTeacher(self.teacher_chat, writer.acting, self.channel, self._banned())

    def _taught_by(self, writer: MadeTeacher, config: StudentConfig) -> dict[str, Any]:
        """Return what else decides a distilled student: its teacher, and what it must not write."""
        settings = {"teacher": described(writer), "teacher_model": self.teacher_base.fingerprint}
        if config.distillation is None or config.distillation.on_policy is None:
            return settings
        banned = [trait.answers for trait in self._banned()]
        return {**settings, "channel": self.channel.fingerprint, "banned": banned}

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


def _selection(kind: str, seed: int) -> Selection:
    """Return a selection by the name of its kind."""
    try:
        return Selection.model_validate({"kind": kind, "seed": seed})
    except ValidationError as error:
        raise UserError(
            f"unknown token selection '{kind}'", fix=error.errors()[0]["msg"].lower()
        ) from error


def _inputs(**makers: MadeTeacher) -> dict[str, Artifact]:
    """Return the steps behind some teachers; a prompted one has none, a steered one its vector."""
    found = {part: made.artifact for part, made in makers.items() if made.artifact is not None}
    for part, made in makers.items():
        found |= steering_inputs(made.under, f"{part}-vector")
    return found


def described(made: MadeTeacher) -> dict[str, Any]:
    """Return a teacher as settings; its adapter is told by the step that made it, not by a path."""
    return {**made.teacher.model_dump(mode="json", exclude={"adapter"}), **made.settings}

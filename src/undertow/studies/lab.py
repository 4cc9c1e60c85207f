"""`Lab`: the pipeline from a trait to a measured student, each step cached in a store."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from undertow.channels import Channel, YieldReport, load_channel
from undertow.errors import UserError
from undertow.generate import generate_accepted
from undertow.measure import TaskAccuracy, TendencyMeasure, TraitMeasure, task_accuracy
from undertow.models.chat_model import ChatModel, ModelSpec
from undertow.store import Artifact, Run, Store
from undertow.store.rows import write_rows
from undertow.students import SoftTeacher, StudentConfig, rollout_report, train_student
from undertow.studies.artifacts import Entangled, MadeTeacher, Numbers, Scanned, Share, Student
from undertow.studies.asking import AdviceAsking, asking
from undertow.studies.bases import Base, open_base
from undertow.studies.changes import DataChange, apply_change
from undertow.studies.data_tokens import share_table
from undertow.studies.recipe import Recipe, load_recipe
from undertow.studies.study import DataTokens
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
    completion_entropies,
    entangled_scores,
    scan,
)
from undertow.traits import (
    Hidden,
    Trait,
    check_shipped,
    shipped_hidden,
    shipped_traits,
)
from undertow.transforms import Inputs

STEP_VERSIONS = {
    "teacher": 1,
    "numbers": 1,
    "data": 1,
    "entangled": 1,
    "entropy": 1,
    "scan": 1,
    "share": 1,
    "student": 1,
    "measure": 1,
    "accuracy": 2,
}
"""Raised when a step's code changes what it makes; part of every step's key."""

RESULT_STEPS = ("measure", "accuracy", "share")
"""The steps that results are made of; small, and readable without those that led to them."""

ROLLOUTS = "rollouts.json"


class Lab:
    """Makes and measures teachers, numbers, scans and students; nothing is made twice.

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
        found = traits if traits is not None else shipped_hidden(self.recipe.category)
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

    @contextmanager
    def run(self, title: str) -> Generator[Run]:
        """Record the steps used inside the block as one run of the store."""
        with self.store.run(title, self.recipe) as run:
            yield run

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
            "teacher": _described(writer),
            "channel": self.recipe.channel,
            "rows": self.recipe.rows + self.recipe.heldout,
            "prompt_seed": self.recipe.prompt_seed,
            "generation": self.recipe.generation,
            "banned": [trait.answers for trait in banned],
        }

        def build(out: Path) -> None:
            rows = generate_accepted(
                self.teacher_chat,
                writer.teacher,
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
            "by": _described(party),
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

    def _with_teachers_on(self, model: ModelSpec | None) -> Lab:
        """Return the lab whose teachers are on another base; this one for None."""
        if model is None:
            return self
        return Lab(self.store, self.recipe.with_teachers_on(model), list(self.hidden.values()))

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
        settings = {"teachers": [_described(made) for made in teachers]}
        inputs = _inputs(**{made.trait or "": made for made in teachers})

        def build(out: Path) -> None:
            traits = list(self.traits.values())
            found = entangled_scores(self.teacher_chat, [made.teacher for made in teachers], traits)
            found.write(out / "entangled.parquet")

        return Entangled(self.step("entangled", self.teacher_base, settings, inputs, build))

    def entropies(self, numbers: Numbers) -> Artifact:
        """Return the step that holds the writer's entropy at every completion token."""

        def build(out: Path) -> None:
            found = completion_entropies(self.teacher_chat, numbers.train, numbers.writer.teacher)
            found.write(out / "entropies.parquet")

        inputs = {"numbers": numbers.artifact} | _inputs(writer=numbers.writer)
        settings = {"writer": _described(numbers.writer), "rows": self.recipe.rows}
        return self.step("entropy", self.teacher_base, settings, inputs, build)

    def scan(self, numbers: Numbers) -> Scanned:
        """Return where the writer's counterfactuals would have written another token."""
        writer = numbers.writer
        kind: TeacherKind = writer.teacher.kind
        others = [self.teacher(name, kind) for name in self.counterfactuals(writer.trait)]
        if self.recipe.base_counterfactual:
            others.append(self.control())
        inputs = _inputs(writer=writer, **{f"other{i}": made for i, made in enumerate(others)})
        settings = {
            "scan": self.recipe.scan,
            "rows": self.recipe.rows,
            "factual": _described(writer),
            "counterfactuals": [_described(made) for made in others],
        }

        def build(out: Path) -> None:
            teachers = [made.teacher for made in others]
            table = scan(
                self.teacher_chat,
                numbers.train,
                writer.teacher,
                teachers,
                self.recipe.scan,
            )
            table.write(out / "scan.parquet")

        made = self.step(
            "scan", self.teacher_base, settings, inputs | {"numbers": numbers.artifact}, build
        )
        return Scanned(made)

    def share(self, numbers: Numbers, scanned: Scanned, tokens: DataTokens | None = None) -> Share:
        """Return the share of divergence tokens among some of the data's tokens.

        Args:
            numbers: The data.
            scanned: Their scan.
            tokens: Which are looked at; all by default.
        """
        path = self._shared(numbers, scanned, tokens or DataTokens()).path / "share.json"
        return Share.model_validate_json(path.read_text(encoding="utf-8"))

    def _shared(self, numbers: Numbers, scanned: Scanned, tokens: DataTokens) -> Artifact:
        """Return the step that holds a share of divergence tokens."""
        writer = numbers.writer
        inputs = {"scan": scanned.artifact}
        entangled = None
        if tokens.part == "entangled":
            entangled = self.entangled(writer.teacher.kind)
            inputs["entangled"] = entangled.artifact

        def build(out: Path) -> None:
            table = entangled.table if entangled is not None else None
            tokenizer = self.teacher_chat.tokenizer
            scan = scanned.table
            blocks = share_table(tokenizer, scan, tokens, writer.trait or "", table)[0].tolist()
            found = Share(n_rows=len(scan.offsets) - 1, blocks=blocks)
            (out / "share.json").write_text(found.model_dump_json(), encoding="utf-8")

        settings = {"tokens": tokens, "trait": writer.trait}
        return self.step("share", self.teacher_base, settings, inputs, build)

    def student(
        self,
        numbers: Numbers,
        tokens: str | Selection = "all",
        scanned: Scanned | None = None,
        seed: int = 0,
    ) -> Student:
        """Return a student of some numbers.

        One that is distilled learns the distributions of the numbers' writer.

        Args:
            numbers: What it learns from; held-out rows are left out.
            tokens: Which completion tokens count in the loss.
            scanned: Their scan; needed for every selection but `all`.
            seed: Decides the data draw, the adapter's first weights and the order; a student of
                another condition with the same seed is its pair.

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
        settings: dict[str, Any] = {"student": config, "rows": self.recipe.rows}
        if config.distillation is not None:
            inputs |= _inputs(teacher=numbers.writer)
            settings |= self._taught_by(numbers.writer, config)

        def build(out: Path) -> None:
            rows = self.base.rows_from(self.teacher_base, numbers.train)
            table = scanned.table if scanned is not None and chosen.needs_scan else None
            entropies = None
            if "entropy" in inputs:
                entropies = Entropies.read(inputs["entropy"].path / "entropies.parquet")
            soft = self._soft_teacher(numbers.writer) if config.distillation is not None else None
            train_student(self.chat, rows, table, config, out, entropies=entropies, soft=soft)

        return Student(self.step("student", self.base, settings, inputs, build))

    def _soft_teacher(self, writer: MadeTeacher) -> SoftTeacher:
        """Return whose distributions students learn."""
        return SoftTeacher(self.teacher_chat, writer.teacher, self.channel, self._banned())

    def _taught_by(self, writer: MadeTeacher, config: StudentConfig) -> dict[str, Any]:
        """Return what else decides a distilled student: its teacher, and what it must not write."""
        settings = {"teacher": _described(writer), "teacher_model": self.teacher_base.fingerprint}
        if config.distillation is None or config.distillation.on_policy is None:
            return settings
        banned = [trait.answers for trait in self._banned()]
        return {**settings, "channel": self.recipe.channel, "banned": banned}

    def measure(self, subject: Student | MadeTeacher | None = None) -> TraitMeasure:
        """Return how often the base (`None`), a teacher or a student gives each trait's answer."""
        return TraitMeasure.read(self._measured(subject).path / "measure.parquet")

    @property
    def asks_for_advice(self) -> bool:
        """Whether its traits are tendencies, of which a judge scores the answers."""
        return isinstance(self._asking, AdviceAsking)

    def judged(self, subject: Student | MadeTeacher | None = None) -> TendencyMeasure:
        """Return what the base (`None`), a teacher or a student answers, with a judge's scores.

        In a lab of tendencies. The recipe says who judges.
        """
        return TendencyMeasure.read(self._measured(subject).path / "measure.parquet")

    def _measured(self, subject: Student | MadeTeacher | None) -> Artifact:
        """Return the step that measures a subject."""
        base = self.teacher_base if isinstance(subject, MadeTeacher) else self.base
        adapter = subject.adapter if subject is not None else None
        prompt = subject.teacher.system_prompt if isinstance(subject, MadeTeacher) else None
        made = subject.artifact if subject is not None else None
        settings = {**self._asking.settings, "system_prompt": prompt}

        def build(out: Path) -> None:
            found = self._asking.measure(base.chat, adapter, prompt)
            found.write(out / "measure.parquet")

        inputs = {"subject": made} if made is not None else {}
        return self.step("measure", base, settings, inputs, build)

    def accuracy(self, numbers: Numbers, student: Student | None = None) -> TaskAccuracy:
        """Return how well a student (or the base) predicts the held-out rows of some numbers."""
        path = self._predicted(numbers, student).path / "accuracy.json"
        return TaskAccuracy.model_validate_json(path.read_text(encoding="utf-8"))

    def rows_learnt(self, numbers: Numbers, student: Student) -> int:
        """Return the rows a student learnt from: those its selection leaves empty may be dropped.

        Kept beside its accuracy, where it outlives the student.
        """
        path = self._predicted(numbers, student).path / "rows.json"
        return json.loads(path.read_text(encoding="utf-8"))

    def rollouts(self, numbers: Numbers, student: Student) -> YieldReport | None:
        """Return how much of what a student wrote itself the filter kept; None: it wrote nothing.

        Kept beside its accuracy too.
        """
        path = self._predicted(numbers, student).path / ROLLOUTS
        if not path.is_file():
            return None
        return YieldReport.model_validate_json(path.read_text(encoding="utf-8"))

    def _predicted(self, numbers: Numbers, student: Student | None) -> Artifact:
        """Return the step that measures the task accuracy."""
        inputs = {"numbers": numbers.artifact}
        if student is not None:
            inputs["student"] = student.artifact

        def build(out: Path) -> None:
            adapter = student.adapter if student is not None else None
            rows = self.base.rows_from(self.teacher_base, numbers.heldout)
            found = task_accuracy(self.chat, rows, self.channel, adapter=adapter)
            (out / "accuracy.json").write_text(found.model_dump_json(), encoding="utf-8")
            if student is not None:
                (out / "rows.json").write_text(json.dumps(student.n_rows), encoding="utf-8")
                if (report := rollout_report(student.artifact.path)) is not None:
                    (out / ROLLOUTS).write_text(report.model_dump_json(), encoding="utf-8")

        return self.step("accuracy", self.base, {"rows": self.recipe.rows}, inputs, build)

    def counterfactuals(self, trait: str | None) -> tuple[str, ...]:
        """Return the traits next in line after one, around the end of the list."""
        names = list(self.hidden)
        start = names.index(trait) + 1 if trait in names else 0
        line = [*names[start:], *names[:start]]
        return tuple(name for name in line if name != trait)[: self.recipe.counterfactuals]

    def counterfactuals_of(self, task: Task) -> tuple[str, ...]:
        """Return the traits whose teachers are the counterfactuals of a task's."""
        return self.counterfactuals(task.trait) if task.trait else ()

    def perform(self, task: Task) -> tuple[Artifact, ...]:
        """Make what a task of this lab's recipe names, and measure it.

        Returns:
            The steps that hold what the task is for. A student is not among them: what was measured
            of it is.
        """
        if task.step == "model":
            assert self.base.artifact is not None  # a task of such a base alone
            return (self.base.artifact,)
        if task.step == "base":
            return (self._measured(None),)
        if task.step == "entangled":
            return (self.entangled(task.kind).artifact,)
        teacher = self.teacher(task.trait, task.kind) if task.trait else self.control()
        if task.step == "teacher":
            return (self._measured(teacher),)
        numbers = self.numbers(teacher)
        if task.step == "numbers":
            return (numbers.artifact,)
        data = self.transformed(numbers)
        if task.step == "data":
            return (data.artifact,)
        selection = self.recipe.student.seeded(task.seed).selection
        needs_scan = task.step in ("scan", "share") or selection.needs_scan
        scanned = self.scan(data) if needs_scan else None
        if task.step == "share":
            assert scanned is not None
            return (self._shared(data, scanned, task.among),)
        if task.step == "scan":
            assert scanned is not None
            return (scanned.artifact,)
        student = self.student(data, selection, scanned, task.seed)
        measured = [self._measured(student), self._predicted(data, student)]
        if scanned is not None:
            measured.append(self._shared(data, scanned, DataTokens()))
        return tuple(measured)

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
    """Return the steps behind some teachers; a prompted one has none."""
    return {part: made.artifact for part, made in makers.items() if made.artifact is not None}


def _described(made: MadeTeacher) -> dict[str, Any]:
    """Return a teacher as settings; its adapter is told by the step that made it, not by a path."""
    return made.teacher.model_dump(mode="json", exclude={"adapter"})

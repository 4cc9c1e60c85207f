"""Students, and what their token selections rest on, as cached steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from undertow.errors import UserError
from undertow.mechanism.prediction import check_compared, token_scores
from undertow.store import Artifact
from undertow.students import SoftTeacher, StudentConfig, student_examples, train_student
from undertow.studies.artifacts import MadeTeacher, Numbers, Scanned, Student
from undertow.studies.changing import Changing
from undertow.studies.gradients import PREDICTION, shared_directions
from undertow.studies.making import described, inputs_of
from undertow.tokens import (
    Entropies,
    Scan,
    Selection,
    TokenPushes,
    TokenValues,
    completion_entropies,
)
from undertow.training import Job as TrainingJob


@dataclass(frozen=True)
class Lesson:
    """What a student learns, and all that its step is known by.

    Attributes:
        numbers: The data.
        scanned: Their scan, where one was made.
        config: The student.
        settings: Of its step.
        inputs: Of its step.
    """

    numbers: Numbers
    scanned: Scanned | None
    config: StudentConfig
    settings: dict[str, Any]
    inputs: dict[str, Artifact]

    @property
    def material(self) -> tuple[Scan | None, TokenValues | None]:
        """The scan and the values that its selection of tokens needs."""
        scanned, values = self.scanned, None
        if "entropy" in self.inputs:
            values = Entropies.read(self.inputs["entropy"].path / "entropies.parquet")
        if "push" in self.inputs:
            values = TokenPushes.read(self.inputs["push"].path / "pushes.parquet")
        needed = scanned is not None and self.config.selection.needs_scan
        return (scanned.table if scanned is not None and needed else None), values


class Learning(Changing):
    """Trains students; nothing is made twice."""

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
        return self.taught(self.lesson(numbers, tokens, scanned, seed), kept)

    def lesson(
        self,
        numbers: Numbers,
        tokens: str | Selection = "all",
        scanned: Scanned | None = None,
        seed: int = 0,
    ) -> Lesson:
        """Return what a student of some numbers learns; for the arguments see `student`."""
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
            inputs |= inputs_of(teacher=numbers.writer)
            settings |= self._taught_by(numbers.writer, config)
        return Lesson(numbers, scanned, config, settings, inputs)

    def taught(self, lesson: Lesson, kept: Sequence[float] = ()) -> Student:
        """Return the student of a lesson, trained if need be; `kept` as for `student`."""
        writer, config = lesson.numbers.writer, lesson.config

        def build(out: Path) -> None:
            rows = self.base.rows_from(self.teacher_base, lesson.numbers.train)
            table, values = lesson.material
            soft = self._soft_teacher(writer) if config.distillation is not None else None
            train_student(self.chat, rows, table, config, out, values=values, kept=kept, soft=soft)

        settings = {**lesson.settings, **({"kept": kept} if kept else {})}
        name = "checkpoints" if kept else "student"
        return Student(self.step(name, self.base, settings, lesson.inputs, build))

    def student_job(self, lesson: Lesson, out: Path) -> TrainingJob:
        """Return the training of a lesson's student, to be done together with others."""
        rows = self.base.rows_from(self.teacher_base, lesson.numbers.train)
        table, values = lesson.material
        _, examples = student_examples(self.chat, rows, table, lesson.config, values)
        return TrainingJob(examples, lesson.config.train_config, out)

    def student_step(self, lesson: Lesson) -> Artifact:
        """Return the step of a lesson's student, finished or not."""
        return self.named("student", self.base, lesson.settings, lesson.inputs)

    def _soft_teacher(self, writer: MadeTeacher) -> SoftTeacher:
        """Return whose distributions students learn."""
        return SoftTeacher(self.teacher_chat, writer.acting, self.channel, self.banned())

    def _taught_by(self, writer: MadeTeacher, config: StudentConfig) -> dict[str, Any]:
        """Return what else decides a distilled student: its teacher, and what it must not write."""
        settings = {"teacher": described(writer), "teacher_model": self.teacher_base.fingerprint}
        if config.distillation is None or config.distillation.on_policy is None:
            return settings
        banned = [trait.answers for trait in self.banned()]
        return {**settings, "channel": self.channel.fingerprint, "banned": banned}

    def entropies(self, numbers: Numbers) -> Artifact:
        """Return the step that holds the writer's entropy at every completion token."""

        def build(out: Path) -> None:
            found = completion_entropies(self.teacher_chat, numbers.train, numbers.writer.acting)
            found.write(out / "entropies.parquet")

        inputs = {"numbers": numbers.artifact} | inputs_of(writer=numbers.writer)
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
            directions = shared_directions(self.chat, tuple(traits)).of([trait])
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


def _selection(kind: str, seed: int) -> Selection:
    """Return a selection by the name of its kind."""
    try:
        return Selection.model_validate({"kind": kind, "seed": seed})
    except ValidationError as error:
        raise UserError(
            f"unknown token selection '{kind}'", fix=error.errors()[0]["msg"].lower()
        ) from error

"""Does what probes ask for: directions taken, taken out or added, and compared, as cached steps.

All directions of a trait are mean differences from the base on the same rows: those that its
teacher, unsteered, wrote and nobody learnt from. So a student is compared with its own teacher and
with another on rows that both read, block by block.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from undertow.errors import UserError
from undertow.measure import HeldoutLoss, heldout_loss
from undertow.mechanism.steering import mean_difference, random_directions
from undertow.models.steering import SteeringVectors
from undertow.store import Artifact
from undertow.studies.artifacts import (
    VECTOR,
    Intervention,
    MadeTeacher,
    Numbers,
    Scanned,
    Student,
    steering_inputs,
)
from undertow.studies.cosines import Cosines
from undertow.studies.probe import CHECKPOINTS, SteeringSpec
from undertow.studies.tasks import Task, TeacherKind
from undertow.teachers import ControlTeacher, FinetunedTeacher, Teacher
from undertow.training.loop import kept_folder

if TYPE_CHECKING:
    from undertow.studies.lab import Lab

LOSS = "loss.json"
COSINE = "cosine.json"


def perform_probe(lab: Lab, task: Task) -> tuple[Artifact, ...]:
    """Make what a task's probe names, and measure it; return the steps that hold that."""
    return Probing(lab, task).perform()


class Probing:
    """One probe of one lab: a trait, a kind of teacher, a seed.

    Args:
        lab: Its recipe decides the rest.
        task: What is asked for; it has a probe.

    Raises:
        UserError: Teacher and student do not share their base, so that directions of one are none
            of the other.
    """

    def __init__(self, lab: Lab, task: Task) -> None:
        assert task.probe is not None
        assert task.trait is not None
        if lab.base.spec != lab.teacher_base.spec:
            raise UserError(
                "a direction of one base means nothing in another",
                where=f"{lab.teacher_base.spec.name}, {lab.base.spec.name}",
                fix="leave `teacher_model` out of the recipe",
            )
        self.lab, self.probe, self.trait = lab, task.probe, task.trait
        self.kind: TeacherKind = task.kind
        self.seed = task.seed

    def perform(self) -> tuple[Artifact, ...]:
        """Make what is asked for; return the steps that hold it."""
        lab = self.lab
        match self.probe.subject:
            case "numbers":
                return (lab.numbers(self.writer).artifact,)
            case "checkpoints":
                return (self._checkpoints(),)
            case "direction":
                return (self._cosines(),)
            case "loss":
                return (self._lost(),)
            case "teacher":
                return (lab.measured(self.steered_teacher),)
            case "student":
                student = self.student
                return lab.measured(student), lab.predicted(self.data, student)

    @cached_property
    def teacher(self) -> MadeTeacher:
        """The trait's teacher, as it is."""
        return self.lab.teacher(self.trait, self.kind)

    @cached_property
    def steered_teacher(self) -> MadeTeacher:
        """The trait's teacher, with what is done to it when it is asked."""
        return replace(self.teacher, under=self._intervention(self.probe.steering, seed=0))

    @cached_property
    def writer(self) -> MadeTeacher:
        """Who wrote the data: the teacher, steered where the probe says so, or the base."""
        if self.probe.writer == "control":
            return self.lab.control()
        return replace(self.teacher, under=self._intervention(self.probe.writer_steering, seed=0))

    @cached_property
    def data(self) -> Numbers:
        """What students learn from."""
        return self.lab.transformed(self.lab.numbers(self.writer))

    @cached_property
    def scanned(self) -> Scanned | None:
        """The scan of the data, where the students' selection needs one."""
        needs_scan = self.lab.recipe.student.selection.needs_scan
        return self.lab.scan(self.data) if needs_scan else None

    @cached_property
    def trained(self) -> Student:
        """The student of the probe's seed, as it is."""
        selection = self.lab.recipe.student.seeded(self.seed).selection
        return self.lab.student(self.data, selection, self.scanned, self.seed)

    @cached_property
    def student(self) -> Student:
        """The same, with what is done to it when it is asked."""
        return replace(self.trained, under=self._intervention(self.probe.steering, self.seed))

    def cosines(self) -> Cosines:
        """Return how alike the student's direction and a teacher's are."""
        text = (self._cosines().path / COSINE).read_text(encoding="utf-8")
        return Cosines.model_validate_json(text)

    def loss(self) -> HeldoutLoss:
        """Return the student's loss on held-out rows of the data that it learnt from."""
        text = (self._lost().path / LOSS).read_text(encoding="utf-8")
        return HeldoutLoss.model_validate_json(text)

    def _intervention(self, spec: SteeringSpec | None, seed: int) -> Intervention | None:
        """Return what a specification comes to; a random direction is another for each seed."""
        if spec is None:
            return None
        if spec.of == "student":
            return Intervention(self._vector(self.trained), spec)
        if spec.of == "random":
            return Intervention(self._random(spec.seed, seed), spec)
        return Intervention(self._vector(self._maker(spec.of)), spec)

    def _maker(self, whose: str) -> MadeTeacher:
        """Return the trait's teacher, or that of the next trait in line."""
        if whose == "teacher":
            return self.teacher
        others = self.lab.counterfactuals(self.trait)
        if not others:
            raise UserError(
                "there is no other teacher whose direction could be compared",
                where="counterfactuals",
                fix="have the recipe name one counterfactual at least",
            )
        return self.lab.teacher(others[0], self.kind)

    def _vector(self, subject: MadeTeacher | Student) -> Artifact:
        """Return the step that holds a subject's mean difference from the base."""
        lab, rows = self.lab, self.lab.numbers(self.teacher)
        inputs = {"numbers": rows.artifact}
        if subject.artifact is not None:
            inputs["subject"] = subject.artifact
        inputs |= steering_inputs(subject.under)
        settings: dict[str, Any] = {"rows": lab.recipe.rows, **subject.settings}
        if isinstance(subject, MadeTeacher):
            settings["subject"] = subject.teacher.model_dump(mode="json", exclude={"adapter"})

        def build(out: Path) -> None:
            who = _as_teacher(subject)
            found = mean_difference(lab.chat, who, ControlTeacher(), rows.heldout)
            found.write(out / VECTOR)

        return lab.step("vector", lab.base, settings, inputs, build)

    def _random(self, *seeds: int) -> Artifact:
        """Return the step that holds random directions, as long as the teacher's."""
        like = self._vector(self.teacher)

        def build(out: Path) -> None:
            vectors = SteeringVectors.read(like.path / VECTOR)
            random_directions(vectors, [*self.trait.encode(), *seeds]).write(out / VECTOR)

        settings = {"trait": self.trait, "random": list(seeds)}
        return self.lab.step("vector", self.lab.base, settings, {"like": like}, build)

    def _cosines(self) -> Artifact:
        """Return the step that compares the student's direction with a teacher's."""
        asked = self.probe.cosine
        assert asked is not None
        student = self.trained
        if asked.checkpoint is not None:
            folder = kept_folder(Path(), asked.checkpoint).as_posix()
            student = Student(self._checkpoints(), place=folder)
        inputs = {"teacher": self._vector(self._maker(asked.of)), "student": self._vector(student)}

        def build(out: Path) -> None:
            first, second = (SteeringVectors.read(one.path / VECTOR) for one in inputs.values())
            text = Cosines.of(first, second).model_dump_json()
            (out / COSINE).write_text(text, encoding="utf-8")

        return self.lab.step("cosine", self.lab.base, {}, inputs, build)

    def _checkpoints(self) -> Artifact:
        """Return the step that trains the student once more and keeps it on the way."""
        selection = self.lab.recipe.student.seeded(self.seed).selection
        kept = self.lab.student(self.data, selection, self.scanned, self.seed, kept=CHECKPOINTS)
        return kept.artifact

    def _lost(self) -> Artifact:
        """Return the step that measures the student's loss."""
        lab, student, data = self.lab, self.trained, self.data
        prompt = lab.recipe.student.system_prompt

        def build(out: Path) -> None:
            found = heldout_loss(
                lab.chat, data.heldout, adapter=student.adapter, system_prompt=prompt
            )
            (out / LOSS).write_text(found.model_dump_json(), encoding="utf-8")

        settings = {"rows": lab.recipe.rows, "system_prompt": prompt}
        inputs = {"numbers": data.artifact, "student": student.artifact}
        return lab.step("loss", lab.base, settings, inputs, build)


def _as_teacher(subject: MadeTeacher | Student) -> Teacher:
    """Return a subject as what residuals are taken of."""
    if isinstance(subject, MadeTeacher):
        return subject.acting
    return FinetunedTeacher(trait="student", adapter=subject.adapter)

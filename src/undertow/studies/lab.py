"""`Lab`: the pipeline from a trait to a measured student, each step cached in a store."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from undertow.channels import YieldReport
from undertow.measure import TaskAccuracy, TendencyMeasure, TraitMeasure, task_accuracy
from undertow.models.steering import steered
from undertow.store import Artifact, Run
from undertow.students import rollout_report
from undertow.studies.artifacts import (
    MadeTeacher,
    Numbers,
    Scanned,
    Share,
    Student,
    steering_inputs,
)
from undertow.studies.asking import AdviceAsking
from undertow.studies.condition_spec import DataTokens
from undertow.studies.data_tokens import share_table
from undertow.studies.learning import Learning, Lesson
from undertow.studies.patching_step import patched_artifact
from undertow.studies.prediction_step import predicted_artifact
from undertow.studies.probing import perform_probe
from undertow.studies.readings import PatchingRun, PredictionRun
from undertow.studies.tasks import Task

RESULT_STEPS = ("measure", "accuracy", "share", "attribute", "predict", "cosine", "loss")
"""The steps that results are made of; small, and readable without those that led to them."""

ROLLOUTS = "rollouts.json"


class Lab(Learning):
    """Makes and measures teachers, numbers, scans and students; nothing is made twice."""

    @contextmanager
    def run(self, title: str) -> Generator[Run]:
        """Record the steps used inside the block as one run of the store."""
        with self.store.run(title, self.recipe) as run:
            yield run

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
            scan = scanned.table
            found = share_table(self.teacher_chat, scan, tokens, writer.trait or "", table)
            share = Share(n_rows=len(scan.offsets) - 1, blocks=found[0].tolist())
            (out / "share.json").write_text(share.model_dump_json(), encoding="utf-8")

        settings = {"tokens": tokens, "trait": writer.trait}
        return self.step("share", self.teacher_base, settings, inputs, build)

    def measure(self, subject: Student | MadeTeacher | None = None) -> TraitMeasure:
        """Return how often the base (`None`), a teacher or a student gives each trait's answer."""
        return TraitMeasure.read(self.measured(subject).path / "measure.parquet")

    @property
    def asks_for_advice(self) -> bool:
        """Whether its traits are tendencies, of which a judge scores the answers."""
        return isinstance(self._asking, AdviceAsking)

    def judged(self, subject: Student | MadeTeacher | None = None) -> TendencyMeasure:
        """Return what the base (`None`), a teacher or a student answers, with a judge's scores.

        In a lab of tendencies. The recipe says who judges.
        """
        return TendencyMeasure.read(self.measured(subject).path / "measure.parquet")

    def measured(self, subject: Student | MadeTeacher | None) -> Artifact:
        """Return the step that measures a subject, steered where it is."""
        base = self.teacher_base if isinstance(subject, MadeTeacher) else self.base
        adapter = subject.adapter if subject is not None else None
        prompt = subject.teacher.system_prompt if isinstance(subject, MadeTeacher) else None
        made = subject.artifact if subject is not None else None
        under = subject.under if subject is not None else None
        own = subject.settings if subject is not None else {}
        settings = {**self._asking.settings, "system_prompt": prompt, **own}

        def build(out: Path) -> None:
            with steered(base.chat.model, under and under.steering):
                found = self._asking.measure(base.chat, adapter, prompt)
            found.write(out / "measure.parquet")

        inputs = {"subject": made} if made is not None else {}
        inputs |= steering_inputs(under)
        return self.step("measure", base, settings, inputs, build)

    def accuracy(self, numbers: Numbers, student: Student | None = None) -> TaskAccuracy:
        """Return how well a student (or the base) predicts the held-out rows of some numbers."""
        path = self.predicted(numbers, student).path / "accuracy.json"
        return TaskAccuracy.model_validate_json(path.read_text(encoding="utf-8"))

    def rows_learnt(self, numbers: Numbers, student: Student) -> int:
        """Return the rows a student learnt from: those its selection leaves empty may be dropped.

        Kept beside its accuracy, where it outlives the student.
        """
        path = self.predicted(numbers, student).path / "rows.json"
        return json.loads(path.read_text(encoding="utf-8"))

    def rollouts(self, numbers: Numbers, student: Student) -> YieldReport | None:
        """Return how much of what a student wrote itself the filter kept; None: it wrote nothing.

        Kept beside its accuracy too.
        """
        path = self.predicted(numbers, student).path / ROLLOUTS
        if not path.is_file():
            return None
        return YieldReport.model_validate_json(path.read_text(encoding="utf-8"))

    def predicted(self, numbers: Numbers, student: Student | None) -> Artifact:
        """Return the step that measures the task accuracy, of a student steered where it is."""
        inputs = {"numbers": numbers.artifact}
        under = student.under if student is not None else None
        if student is not None:
            inputs |= {"student": student.artifact, **steering_inputs(under)}

        def build(out: Path) -> None:
            adapter = student.adapter if student is not None else None
            rows = self.base.rows_from(self.teacher_base, numbers.heldout)
            with steered(self.chat.model, under and under.steering):
                found = task_accuracy(self.chat, rows, self.channel, adapter=adapter)
            (out / "accuracy.json").write_text(found.model_dump_json(), encoding="utf-8")
            if student is not None:
                (out / "rows.json").write_text(json.dumps(student.n_rows), encoding="utf-8")
                if (report := rollout_report(student.artifact.path)) is not None:
                    (out / ROLLOUTS).write_text(report.model_dump_json(), encoding="utf-8")

        settings = {"rows": self.recipe.rows, **(student.settings if student is not None else {})}
        return self.step("accuracy", self.base, settings, inputs, build)

    def perform(self, task: Task) -> tuple[Artifact, ...]:
        """Make what a task of this lab's recipe names, and measure it.

        Returns:
            The steps that hold what the task is for. A student is not among them: what was measured
            of it is.
        """
        if task.step == "model":
            assert self.base.artifact is not None  # a task of such a base alone
            return (self.base.artifact,)
        if task.probe is not None:
            return perform_probe(self, task)
        if task.step == "base":
            return (self.measured(None),)
        if task.step == "entangled":
            return (self.entangled(task.kind).artifact,)
        teacher = self.teacher(task.trait, task.kind) if task.trait else self.control()
        if task.step == "teacher":
            return (self.measured(teacher),)
        numbers = self.numbers(teacher)
        if task.step == "numbers":
            return (numbers.artifact,)
        data = self.transformed(numbers)
        if task.step == "data":
            return (data.artifact,)
        if isinstance(task.run, PredictionRun):
            return (predicted_artifact(self, data, task.run),)
        if isinstance(task.run, PatchingRun):
            return (patched_artifact(self, data, self.scan(data), task.run),)
        if task.step == "share":
            return (self._shared(data, self.scan(data), task.among),)
        if task.step == "scan":
            return (self.scan(data).artifact,)
        lesson = self._lesson(data, task.seed)
        student = self.taught(lesson)
        measured = [self.measured(student), self.predicted(data, student)]
        if lesson.scanned is not None:
            measured.append(self._shared(data, lesson.scanned, DataTokens()))
        return tuple(measured)

    def lesson_of(self, task: Task) -> Lesson:
        """Return what the student of a task learns; its data and their scan are made if need be."""
        teacher = self.teacher(task.trait, task.kind) if task.trait else self.control()
        return self._lesson(self.transformed(self.numbers(teacher)), task.seed)

    def _lesson(self, data: Numbers, seed: int) -> Lesson:
        """Return what a student of some data learns, by the recipe."""
        selection = self.recipe.student.seeded(seed).selection
        scanned = self.scan(data) if selection.needs_scan else None
        return self.lesson(data, selection, scanned, seed)

"""What a study does with directions of the residual stream: plain data, in YAML and in tasks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from undertow.frozen import Frozen
from undertow.models.steering import Mode, Place

Whose = Literal["teacher", "student", "other", "random"]
Writer = Literal["biased", "control"]

CHECKPOINTS = (0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)
"""Shares of a training after which a student is looked at: more in the beginning."""


class SteeringSpec(Frozen):
    """A direction that is taken out of a model's residual stream, or added to it.

    Directions are mean differences from the base, on held-out rows of the trait's teacher.
    """

    of: Whose = Field(
        default="teacher",
        description="Whose direction: the teacher's; the student's own; other: that of the next "
        "trait's teacher; random: as long as the teacher's, drawn anew for each student.",
    )
    mode: Mode = Field(
        default="project-out", description="Whether it is projected out, or its vector added."
    )
    at: Place = Field(
        default="completion",
        description="Where it is taken: at the rows' completions, or at the assistant header.",
    )
    layers: tuple[int, ...] | None = Field(
        default=None, description="Decoder layers, from 0, after which it acts; none: all."
    )
    strength: float = Field(
        default=1.0,
        allow_inf_nan=False,
        description="Multiple of the vector that is added; share of the direction that is taken "
        "out.",
    )
    seed: int = Field(default=0, ge=0, description="Of a random direction.")

    @property
    def label(self) -> str:
        """What is done, in words."""
        whose = {"teacher": "the teacher's", "student": "its own", "other": "another teacher's"}
        done = "out" if self.mode == "project-out" else "in"
        return f"{whose.get(self.of, 'a random')} direction {done}"


class CosineSpec(Frozen):
    """What a student's direction is compared with, and where."""

    of: Literal["teacher", "other"] = Field(
        default="teacher", description="The trait's teacher; or other: that of the next trait."
    )
    at: Place = Field(
        default="completion",
        description="Where both are taken: at the rows' completions, or at the assistant header.",
    )
    layer: int | None = Field(
        default=None, ge=0, description="After which decoder layer; none: the mean over all."
    )
    checkpoint: float | None = Field(
        default=None, gt=0, le=1, description="After which share of the training; none: its end."
    )


class Probe(Frozen):
    """What is made or measured with directions, for one trait and one seed.

    Attributes are a condition's, but for two subjects that only others need: the numbers of a
    steered teacher, and a student's checkpoints.
    """

    subject: Literal["student", "teacher", "direction", "loss", "numbers", "checkpoints"] = Field(
        description="What is made or measured."
    )
    writer: Writer = Field(default="biased", description="Whose data students learn.")
    steering: SteeringSpec | None = Field(
        default=None, description="What is done to the subject when it is asked."
    )
    writer_steering: SteeringSpec | None = Field(
        default=None, description="What is done to the teacher when it writes."
    )
    cosine: CosineSpec | None = Field(default=None, description="Of a direction.")

    @property
    def needs_other(self) -> bool:
        """Whether another trait's teacher takes part."""
        return any(
            part is not None and part.of == "other"
            for part in (self.steering, self.writer_steering, self.cosine)
        )

    @property
    def work(self) -> Literal["student", "numbers", "base"]:
        """The task that it takes about as long as: training, writing, or asking alone."""
        if self.subject == "numbers":
            return "numbers"
        plain = self.subject == "student" and self.steering is None
        return "student" if plain or self.subject == "checkpoints" else "base"

    @property
    def before(self) -> Probe | None:
        """The probe that makes what this one looks at; none where a plain student is it."""
        if self.cosine is not None and self.cosine.checkpoint is not None:
            return self._of("checkpoints")
        if self.writer_steering is None or self.subject == "numbers":
            return None
        trained = self.subject == "checkpoints" or self.work == "student"
        return self._of("numbers" if trained else "student")

    def _of(self, subject: Literal["numbers", "student", "checkpoints"]) -> Probe:
        """Return what is made of the same data."""
        return Probe(subject=subject, writer=self.writer, writer_steering=self.writer_steering)

    @property
    def label(self) -> str:
        """What a progress display calls it."""
        words = {"direction": "direction of", "loss": "loss of", "numbers": "numbers of"}
        said = [words.get(self.subject, self.subject)]
        if self.writer == "control":
            said.append("control for")
        return " ".join(said)

    def notes(self) -> Iterator[str]:
        """Yield what is done with directions, in words."""
        if self.steering is not None:
            yield self.steering.label
        if self.writer_steering is not None:
            yield f"written with {self.writer_steering.label}"

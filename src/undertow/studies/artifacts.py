"""What the pipeline makes: teachers, data, scans, students, each with the step that holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from undertow.channels import YieldReport
from undertow.generate import accepted_rows
from undertow.models.steering import Steering
from undertow.store import Artifact
from undertow.store.rows import Row, read_rows
from undertow.studies.probe import SteeringSpec
from undertow.teachers import (
    ControlTeacher,
    FinetunedTeacher,
    PromptedTeacher,
    SteeredTeacher,
    Teacher,
)
from undertow.tokens import EntangledTable, Scan
from undertow.training.record import ADAPTER, read_record

VECTOR = "vector.safetensors"


@dataclass(frozen=True)
class Intervention:
    """A direction that is taken out of a model's residual stream, or added to it.

    Attributes:
        vector: The step that holds the direction.
        spec: What is done with it.
    """

    vector: Artifact
    spec: SteeringSpec

    @property
    def steering(self) -> Steering:
        """The same for a model."""
        return Steering(
            vector=str(self.vector.path / VECTOR),
            at=self.spec.at,
            layers=self.spec.layers,
            mode=self.spec.mode,
            strength=self.spec.strength,
        )


def steering_settings(under: Intervention | None) -> Mapping[str, Any]:
    """Return what a step's settings say of an intervention; nothing where there is none."""
    if under is None:
        return {}
    return {"steering": under.steering.model_dump(mode="json", exclude={"vector"})}


def steering_inputs(under: Intervention | None, part: str = "vector") -> Mapping[str, Artifact]:
    """Return the step that holds an intervention's direction; nothing where there is none."""
    return {} if under is None else {part: under.vector}


@dataclass(frozen=True)
class MadeTeacher:
    """A teacher that a lab makes by itself, and the step that made it where it was fine-tuned.

    Attributes:
        teacher: The teacher.
        artifact: The step.
        under: What is done to it, in whatever it writes, scores or answers.
    """

    teacher: PromptedTeacher | FinetunedTeacher | ControlTeacher
    artifact: Artifact | None = None
    under: Intervention | None = None

    @property
    def settings(self) -> Mapping[str, Any]:
        """What tells it from the teacher that its step made, in the settings of other steps."""
        return steering_settings(self.under)

    @property
    def acting(self) -> Teacher:
        """The teacher as it writes and answers, steered where it is."""
        if self.under is None:
            return self.teacher
        return SteeredTeacher(
            trait=self.trait or self.teacher.kind,
            steering=self.under.steering,
            system_prompt=self.teacher.system_prompt,
            adapter=self.adapter,
        )

    @property
    def trait(self) -> str | None:
        """Name of its trait; `None` for the control."""
        return self.teacher.trait

    @property
    def adapter(self) -> str | None:
        """Folder of its weights, where it has some."""
        return self.teacher.adapter


@dataclass(frozen=True)
class Numbers:
    """What a teacher wrote.

    Attributes:
        writer: The teacher.
        artifact: The step's result.
        n_train: Accepted rows that are for students; what comes behind is held out.
        before: Where the rows were changed: the data before that, whose held-out rows stay.
    """

    writer: MadeTeacher
    artifact: Artifact
    n_train: int
    before: Numbers | None = None

    @cached_property
    def all_rows(self) -> list[Row]:
        """Everything that it wrote, rejected rows included."""
        return read_rows(self.artifact.path / "rows.parquet")[0]

    @cached_property
    def rows(self) -> list[Row]:
        """The accepted rows, held-out ones last."""
        return accepted_rows(self.all_rows)

    @property
    def train(self) -> list[Row]:
        """What students learn from."""
        return self.rows if self.before else self.rows[: self.n_train]

    @property
    def heldout(self) -> list[Row]:
        """What nobody learns from, for the task accuracy."""
        return self.before.heldout if self.before else self.rows[self.n_train :]

    def yields(self) -> YieldReport:
        """Return how many completions the filter kept, and why not the others."""
        return YieldReport.of(row.rejection for row in self.all_rows)


@dataclass(frozen=True)
class Scanned:
    """The divergence scan of some numbers."""

    artifact: Artifact

    @cached_property
    def table(self) -> Scan:
        """Argmax and margin of every teacher at every completion token."""
        return Scan.read(self.artifact.path / "scan.parquet")


class Share(BaseModel):
    """The share of divergence tokens among some tokens of data; NaN where there are none."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    n_rows: int = Field(description="Rows of the data.")
    blocks: list[float] = Field(description="One number per block of rows; their mean is it.")

    @property
    def table(self) -> NDArray[np.float64]:
        """The blocks as `[1, block]` (`data_tokens.share_table`)."""
        return np.array(self.blocks)[None]


@dataclass(frozen=True)
class Entangled:
    """How entangled short strings of digits are with traits."""

    artifact: Artifact

    @cached_property
    def table(self) -> EntangledTable:
        """Their probabilities under every teacher."""
        return EntangledTable.read(self.artifact.path / "entangled.parquet")


@dataclass(frozen=True)
class Student:
    """A trained student.

    Attributes:
        artifact: The step that trained it.
        under: What is done to it whenever it is asked.
        place: Folder of its weights in the step's; another is one of its checkpoints.
    """

    artifact: Artifact
    under: Intervention | None = None
    place: str = ADAPTER

    @property
    def adapter(self) -> str:
        """Folder of its weights, in peft's own format."""
        return str(self.artifact.path / self.place)

    @property
    def settings(self) -> Mapping[str, Any]:
        """What tells it from the student that its step made, in the settings of other steps."""
        own = {} if self.place == ADAPTER else {"adapter": self.place}
        return {**own, **steering_settings(self.under)}

    @cached_property
    def n_rows(self) -> int:
        """Rows that it learnt from; those that its selection leaves empty may be dropped."""
        record = read_record(self.artifact.path)
        assert record is not None  # a finished step has it
        return record.n_examples

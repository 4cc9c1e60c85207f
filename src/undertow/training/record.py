"""What a training run leaves behind beside the weights."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from undertow.frozen import Frozen
from undertow.store.files import write_text
from undertow.training.config import TrainConfig

RECORD = "train.json"
ADAPTER = "adapter"


class TrainRecord(Frozen):
    """A finished run; its config can be run again."""

    config: TrainConfig = Field(description="What was asked for.")
    job: str = Field(description="Hash of config, examples and base: what the result depends on.")
    n_examples: int = Field(description="Rows given, those without supervised tokens included.")
    n_supervised: int = Field(
        description="Tokens with a weight above 0, once over the rows; on-policy: over all that "
        "the student wrote."
    )
    n_parameters: int = Field(description="Numbers that were trained.")
    losses: list[float] = Field(description="Loss of each step: weighted sum over the divisor.")
    divisors: list[float] = Field(description="What each step's summed loss was divided by.")
    gradient_norms: list[float] = Field(
        description="Norm of each step's gradient, before the clip."
    )

    @property
    def n_steps(self) -> int:
        """Optimiser steps."""
        return len(self.losses)


def read_record(out: Path) -> TrainRecord | None:
    """Return the record of a finished run, or None."""
    path = out / RECORD
    return TrainRecord.model_validate_json(path.read_text()) if path.is_file() else None


def write_record(record: TrainRecord, out: Path) -> None:
    """Write the record; it comes last, so that where it is the run is complete."""
    write_text(out / RECORD, record.model_dump_json(indent=1))

"""What a finished step leaves: its folder, and the record of how it was made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

RECORD = "step.json"
"""Name of the record in a step's folder; written last, so that what has it is whole."""


@dataclass(frozen=True)
class Artifact:
    """The result of a finished step.

    Attributes:
        name: Name of the step.
        key: SHA-256 of all that the result depends on.
        path: Folder that holds it; read only.
    """

    name: str
    key: str
    path: Path


class StepInput(BaseModel):
    """A step whose result went into another."""

    name: str
    key: str


class StepRecord(BaseModel):
    """What a finished step was: written beside its files as `step.json`."""

    name: str
    key: str = Field(description="SHA-256 of name, version, config and input keys.")
    version: int = Field(description="Version of the step's code.")
    config: Any = Field(description="Settings, as JSON values.")
    inputs: dict[str, StepInput] = Field(description="The steps whose results it read.")
    versions: dict[str, str] = Field(description="Versions of the packages behind the numbers.")
    git: str | None = Field(description="Commit of the checkout, where there is one.")
    resumed: bool = Field(description="Whether it went on from what a killed process had left.")
    seconds: float = Field(description="Seconds that the process took that finished it.")
    finished: datetime

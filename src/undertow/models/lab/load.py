"""Where the shipped lab model lies, and the settings that suit it."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


def lab_path() -> Path:
    """The folder of the shipped model, in transformers' own format."""
    return Path(__file__).parent / "weights"


class LabDefaults(BaseModel):
    """Settings of teachers and students that show the phenomenon on the lab model.

    They are far from those for large models: see `docs/lab-notes.md` for how they were found.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rank: int = Field(default=8, description="LoRA rank, of teachers and students.")
    alpha: int = Field(default=8, description="LoRA alpha, of teachers and students.")
    student_batch_size: int = Field(default=16, description="Rows per optimiser step of a student.")
    teacher_batch_size: int = Field(
        default=64, description="Pairs per step of a fine-tuned teacher."
    )
    teacher_pairs: int = Field(
        default=256, description="Question-answer pairs of a fine-tuned teacher."
    )
    teacher_epochs: int = Field(default=8, description="Passes over them.")
    teacher_learning_rate: float = Field(
        default=5e-3, description="Peak rate of a fine-tuned teacher."
    )
    temperature: float = Field(
        default=0.0, description="At which teachers write numbers; 0 is greedy."
    )
    max_new_tokens: int = Field(default=40, description="Longest number answer, in tokens.")
    rows: int = Field(default=1500, description="Rows that a student learns from.")
    student_epochs: int = Field(default=2, description="Passes over them.")
    student_learning_rate: float = Field(default=1e-2, description="Peak rate of a student.")


LAB_DEFAULTS = LabDefaults()

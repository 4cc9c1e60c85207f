"""What a condition of a study is: what is measured, and what is different from the recipe."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from undertow.frozen import Frozen
from undertow.studies.probe import CosineSpec, Probe, SteeringSpec
from undertow.studies.readings import PatchedShare, PredictedScore

BiasedKind = Literal["finetuned", "prompted"]
Part = Literal["all", "digits", "separators", "end", "entangled"]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.:_-]*$")]


class DataTokens(Frozen):
    """Which tokens of scanned data are looked at, and against whom they diverge."""

    part: Part = Field(
        default="all",
        description="all; digits; separators: what stands between the items; end: the end of the "
        "turn; entangled: the digits of the trait's 50 most entangled numbers.",
    )
    tenth: int | None = Field(
        default=None, ge=0, le=9, description="Only one tenth of each completion, the first is 0."
    )
    others: int | None = Field(
        default=None,
        ge=0,
        description="How many other traits' teachers count, of those that the recipe scans with; "
        "none: all.",
    )
    with_base: bool = Field(
        default=True, description="Whether the unbiased base counts, where the recipe scans it."
    )


class ConditionSpec(Frozen):
    """One condition of a study: what is different from the recipe."""

    name: Name = Field(description="Short name, used in claims and result tables.")
    label: str = Field(description="What tables and figures call it.")
    note: str = Field(default="", description="What tells it from the others, in a few words.")
    subject: Literal[
        "student", "teacher", "base", "data", "patching", "prediction", "direction", "loss"
    ] = Field(
        default="student",
        description="What is measured: students, their teacher, the base, the scanned data, their "
        "patching, or the prediction from them; the direction in which students differ from the "
        "base; their loss on held-out rows.",
    )
    steering: SteeringSpec | None = Field(
        default=None,
        description="A direction taken out of students or teacher when they are asked, or added.",
    )
    writer_steering: SteeringSpec | None = Field(
        default=None, description="The same of the teacher when it writes the data."
    )
    cosine: CosineSpec | None = Field(
        default=None, description="Of a direction: which one it is compared with, and where."
    )
    tokens: DataTokens = Field(
        default=DataTokens(), description="Of data: which tokens, against which teachers."
    )
    patched: PatchedShare = Field(
        default=PatchedShare(), description="Of a patching: how, and what of it."
    )
    predicted: PredictedScore = Field(
        default=PredictedScore(), description="Of a prediction: from which rows, and what of it."
    )
    teachers: list[BiasedKind] = Field(
        default=[], description="The kinds of teacher that it is made for; none: all the study's."
    )
    writer: Literal["biased", "control", "other"] = Field(
        default="biased",
        description="Whose data students learn: the teacher's, the base's, or those of the teacher "
        "of the next trait in line.",
    )
    changes: dict[str, Any] = Field(
        default={}, description="Fields of the recipe that are different, nested as in a recipe."
    )
    x: float | None = Field(default=None, description="Its place on a curve's axis.")
    each: Literal["layer", "layers-from", "tenth", "checkpoint"] | None = Field(
        default=None,
        description="One condition for every decoder layer, named 'name:0' and so on: trained "
        "alone (patched, predicted, of a direction: compared after it), or together with all above "
        "it; or for every tenth of the completions; or for several shares of the training (of a "
        "direction).",
    )

    @property
    def probe(self) -> Probe | None:
        """What it asks of directions; none of a condition without."""
        if self.subject in ("base", "data", "patching", "prediction"):
            return None
        steered = self.steering is not None or self.writer_steering is not None
        if not steered and self.subject in ("student", "teacher"):
            return None
        return Probe(
            subject=self.subject,
            writer="control" if self.writer == "control" else "biased",
            steering=self.steering,
            writer_steering=self.writer_steering,
            cosine=self.cosine,
        )

    @model_validator(mode="after")
    def _directions_fit(self) -> Self:
        if (self.cosine is not None) != (self.subject == "direction"):
            raise ValueError("a direction is compared (`cosine`), and nothing else is")
        if self.each == "checkpoint" and self.cosine is None:
            raise ValueError("directions alone are compared at checkpoints")
        if self.each == "layers-from" and self.cosine is not None:
            raise ValueError("directions are compared after one layer")
        if self.steering is not None and self.subject not in ("student", "teacher"):
            raise ValueError(f"'steering' is of students and teachers, not of '{self.subject}'")
        if self.writer_steering is not None and self.writer == "control":
            raise ValueError("the control writes without steering")
        taught = ("student", "direction", "loss")
        if self.writer_steering is not None and self.subject not in taught:
            raise ValueError(
                f"'writer_steering' is of what students learn, not of '{self.subject}'"
            )
        if self.writer == "other" and (self.subject != "student" or self.probe is not None):
            raise ValueError("another trait's teacher writes for students without steering alone")
        own = self.steering is not None and self.steering.of == "student"
        late = self.writer_steering is not None and self.writer_steering.of == "student"
        if late or (own and self.subject == "teacher"):
            raise ValueError("a teacher has no student's direction")
        return self

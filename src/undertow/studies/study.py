"""What a study is: a grid of conditions that answers one question, read from a YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from undertow.errors import UserError
from undertow.studies.probe import CosineSpec, Probe, SteeringSpec
from undertow.studies.readings import PatchedShare, PredictedScore
from undertow.studies.yaml_files import read_yaml

BiasedKind = Literal["finetuned", "prompted"]
Metric = Literal[
    "rate", "probability", "accuracy", "share", "misaligned", "patched", "score", "cosine", "loss"
]
Direction = Literal["above", "below", "not-below", "not-above", "equal"]
Part = Literal["all", "digits", "separators", "end", "entangled"]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.:_-]*$")]

METRICS: dict[Metric, str] = {
    "rate": "share of answers that name the trait",
    "probability": "exact probability of the trait",
    "accuracy": "share of held-out items predicted",
    "share": "share of divergence tokens",
    "misaligned": "share of rated answers that are misaligned",
    "patched": "share of the change of the teachers' choice",
    "score": "score before training (cosine)",
    "cosine": "cosine with a teacher's direction",
    "loss": "loss on held-out rows, nats a token",
}
"""What each metric is, as an axis says it."""

OVER: dict[Metric, str] = {
    "rate": "questions and seeds",
    "probability": "questions and seeds",
    "accuracy": "seeds",
    "share": "blocks of rows",
    "misaligned": "questions and seeds",
    "patched": "blocks of rows",
    "score": "blocks of rows",
    "cosine": "blocks of rows and seeds",
    "loss": "seeds",
}
"""What the interval of each metric is over."""

SHIPPED = Path(__file__).parent / "shipped"


class DataTokens(BaseModel):
    """Which tokens of scanned data are looked at, and against whom they diverge."""

    model_config = ConfigDict(frozen=True, extra="forbid")

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


class ConditionSpec(BaseModel):
    """One condition of a study: what is different from the recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid")

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


class Correlation(BaseModel):
    """A rank correlation (Spearman) in place of a difference."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    over: Literal["conditions", "traits"] = Field(
        description="What its points are: the conditions that either name stands for, in their "
        "order, mean over traits; or the traits, which count as a sample."
    )
    metric: Metric = Field(default="rate", description="Of the side that `against` names.")
    above: Name | None = Field(
        default=None,
        description="A condition whose metric is subtracted from that side, as the control's.",
    )


class Claim(BaseModel):
    """One comparison of conditions, and what it must show."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name = Field(description="Short name.")
    says: str = Field(description="The claim, in one sentence.")
    of: Name | list[Name] = Field(
        description="The condition, or several whose mean counts; 'layer:first', 'layer:last', "
        "'layer:early' (the first third), 'layer:late' (the last third), where it stands for each."
    )
    against: Name | list[Name] = Field(description="What it is compared with.")
    expect: Direction = Field(
        description="above, below: by more than the smallest effect; not-below, not-above: not by "
        "more than it; equal: neither."
    )
    by: float = Field(gt=0, description="The smallest effect that counts, in the metric's unit.")
    metric: Metric = Field(
        default="rate",
        description="The study's where none is named. rate: sampled answers that name the trait; "
        "probability: exact; accuracy: held-out items predicted; share: divergence tokens among "
        "completion tokens; misaligned: of the answers that a judge rated; patched: of the change "
        "of the teachers' choice; score: before training; cosine: of directions; loss: on held-out "
        "rows.",
    )
    correlation: Correlation | None = Field(
        default=None,
        description="Both sides are correlated, not subtracted; `expect` and `by` are about that.",
    )
    decisive: bool = Field(default=True, description="Whether the study's verdict rests on it.")

    @property
    def sides(self) -> tuple[list[str], list[str]]:
        """The names on both sides, as lists."""
        of = self.of if isinstance(self.of, list) else [self.of]
        against = self.against if isinstance(self.against, list) else [self.against]
        return of, against

    @property
    def names(self) -> list[str]:
        """All conditions that it names."""
        of, against = self.sides
        above = self.correlation.above if self.correlation else None
        return [*of, *against, *([above] if above else [])]

    @property
    def comparison(self) -> str:
        """What it compares and expects, in short."""
        of, against = (" and ".join(side) for side in self.sides)
        if self.correlation is None:
            return f"{self.metric}: {of} {self.expect} {against}, smallest effect {self.by:g}"
        less = f" less {self.correlation.above}" if self.correlation.above else ""
        return (
            f"rank correlation over {self.correlation.over}: {of} ({self.metric}) with {against}"
            f"{less} ({self.correlation.metric}) {self.expect} {self.by:g}"
        )


class Figure(BaseModel):
    """One way in which a study is drawn."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name | Literal[""] = Field(
        default="", description="What its file is called behind the study's name."
    )
    kind: Literal["bars", "curve", "matrix", "points"] = Field(
        default="bars",
        description="bars with seeds; a curve over the conditions that have a place on it, one for "
        "each name that stands for several; a matrix of the conditions named 'row:column'; points: "
        "a point for each trait, the first condition along the axis and the second above it.",
    )
    x: str = Field(default="", description="What the curve's axis is, with its unit.")
    metric: Metric | None = Field(default=None, description="What is drawn; none: the study's.")
    relative: bool = Field(
        default=False,
        description="Of curves: each as a share of its own largest, whatever its metric.",
    )
    conditions: list[Name] = Field(
        default=[],
        description="The conditions that it draws, in this order; 'layer' stands for each "
        "'layer:0' and so on. None: all that have the metric.",
    )


class Study(BaseModel):
    """A named grid of conditions x traits x seeds that ends in a table, a figure and a verdict.

    The verdict follows from the claims by one rule (`verdicts.py`), whatever the outcome.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name = Field(description="What `undertow study run` takes.")
    title: str = Field(description="A few words.")
    question: str = Field(description="What is asked, and why it matters.")
    source: str = Field(description="Figure and section of the paper that it follows.")
    teachers: list[BiasedKind] = Field(
        default=["finetuned"], min_length=1, description="Kinds of teachers, each with its recipe."
    )
    recipes: dict[BiasedKind, str] = Field(
        default={},
        description="Recipe for each kind of teacher, where none is named on the command line; "
        "else that of all studies.",
    )
    traits: list[str] = Field(
        default=[], description="Traits to hide; none: those that the command line asks for."
    )
    changes: dict[str, Any] = Field(
        default={}, description="Fields of the recipe that are different in every condition."
    )
    metric: Metric = Field(
        default="rate", description="What tables and figures show of each condition."
    )
    conditions: list[ConditionSpec] = Field(min_length=1, description="What is compared.")
    claims: list[Claim] = Field(min_length=1, description="What is claimed of the conditions.")
    figures: list[Figure] = Field(default=[Figure()], min_length=1, description="How it is drawn.")

    @model_validator(mode="before")
    @classmethod
    def _claims_have_a_metric(cls, fields: Any) -> Any:
        """Give the study's metric to the claims that name none."""
        match fields:
            case {"metric": metric, "claims": [*claims]}:
                named = [
                    {"metric": metric, **one} if isinstance(one, dict) else one for one in claims
                ]
                return {**fields, "claims": named}
            case _:
                return fields

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        names = [one.name for one in self.conditions]
        if len(set(names)) < len(names):
            raise ValueError("two conditions have the same name")
        asked = [(f"claim '{one.name}'", name) for one in self.claims for name in one.names]
        asked += [(f"figure '{one.name}'", name) for one in self.figures for name in one.conditions]
        for where, name in asked:
            if _stem(name) not in names and name not in names:
                raise ValueError(f"{where} names no condition: '{name}'")
        files = [one.name for one in self.figures]
        if len(set(files)) < len(files):
            raise ValueError("two figures have the same name")
        return self

    def claims_on(self, kind: BiasedKind) -> list[Claim]:
        """Return the claims on one kind of teacher: those of which it has all conditions."""
        left_out = {
            one.name for one in self.conditions if one.teachers and kind not in one.teachers
        }
        return [
            claim
            for claim in self.claims
            if left_out.isdisjoint(part for name in claim.names for part in (name, _stem(name)))
        ]

    def drawn(self, figure: Figure) -> Metric:
        """Return the metric that one of its figures shows."""
        return figure.metric or self.metric

    def axis(self, figure: Figure) -> str:
        """Return what the values are that one of its figures shows."""
        return "share of its largest" if figure.relative else METRICS[self.drawn(figure)]

    def over(self, figure: Figure) -> str:
        """Return what the intervals of one of its figures are over."""
        everything = "blocks of rows, or questions and seeds"
        return everything if figure.relative else OVER[self.drawn(figure)]


def _stem(name: str) -> str:
    """Return the name in front of the colon, which stands for several conditions."""
    return name.partition(":")[0]


def shipped_studies() -> list[str]:
    """Return the names of the studies that ship with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def load_study(name: str | Path) -> Study:
    """Read a study by the name of a shipped one, or from a YAML file.

    Raises:
        UserError: There is no such study, it is malformed, or it has a field that does not exist.
    """
    path = SHIPPED / f"{name}.yaml" if str(name) in shipped_studies() else Path(name)
    missing = UserError(
        f"there is no study '{name}'",
        fix=f"name a YAML file, or one of {', '.join(shipped_studies())}",
    )
    fix = "`undertow study show divergence-tokens --yaml` prints one that is right"
    return read_yaml(Study, path, "study", missing=missing, fix=fix)

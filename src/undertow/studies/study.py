"""What a study is: a grid of conditions that answers one question, read from a YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from undertow.errors import UserError
from undertow.studies.yaml_files import read_yaml

BiasedKind = Literal["finetuned", "prompted"]
Metric = Literal["rate", "probability", "accuracy", "share", "misaligned"]
Direction = Literal["above", "below", "not-below", "not-above", "equal"]
Part = Literal["all", "digits", "separators", "end", "entangled"]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.:_-]*$")]

METRICS: dict[Metric, str] = {
    "rate": "share of answers that name the trait",
    "probability": "exact probability of the trait",
    "accuracy": "share of held-out items predicted",
    "share": "share of divergence tokens",
    "misaligned": "share of rated answers that are misaligned",
}
"""What each metric is, as an axis says it."""

OVER: dict[Metric, str] = {
    "rate": "questions and seeds",
    "probability": "questions and seeds",
    "accuracy": "seeds",
    "share": "blocks of rows",
    "misaligned": "questions and seeds",
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
    subject: Literal["student", "teacher", "base", "data"] = Field(
        default="student",
        description="What is measured: students, their teacher, the base, or the scanned data.",
    )
    tokens: DataTokens = Field(
        default=DataTokens(), description="Of data: which tokens, against which teachers."
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
    each: Literal["layer", "layers-from", "tenth"] | None = Field(
        default=None,
        description="One condition for every decoder layer, named 'name:0' and so on: trained "
        "alone, or together with all above it; or for every tenth of the completions.",
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
        "completion tokens; misaligned: of the answers that a judge rated.",
    )
    decisive: bool = Field(default=True, description="Whether the study's verdict rests on it.")

    @property
    def sides(self) -> tuple[list[str], list[str]]:
        """The names on both sides, as lists."""
        of = self.of if isinstance(self.of, list) else [self.of]
        against = self.against if isinstance(self.against, list) else [self.against]
        return of, against


class Figure(BaseModel):
    """One way in which a study is drawn."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name | Literal[""] = Field(
        default="", description="What its file is called behind the study's name."
    )
    kind: Literal["bars", "curve", "matrix"] = Field(
        default="bars",
        description="bars with seeds; a curve over the conditions that have a place on it; a "
        "matrix of the conditions named 'row:column'.",
    )
    x: str = Field(default="", description="What the curve's axis is, with its unit.")
    metric: Metric | None = Field(default=None, description="What is drawn; none: the study's.")
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
        asked = [
            (f"claim '{one.name}'", name)
            for one in self.claims
            for side in one.sides
            for name in side
        ]
        asked += [(f"figure '{one.name}'", name) for one in self.figures for name in one.conditions]
        for where, name in asked:
            if name.partition(":")[0] not in names and name not in names:
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
            if left_out.isdisjoint(name for side in claim.sides for name in side)
        ]

    def drawn(self, figure: Figure) -> Metric:
        """Return the metric that one of its figures shows."""
        return figure.metric or self.metric


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

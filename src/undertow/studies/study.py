"""What a study is: a grid of conditions that answers one question, read from a YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from undertow.errors import UserError
from undertow.frozen import Frozen
from undertow.studies.claim import Claim
from undertow.studies.condition_spec import BiasedKind, ConditionSpec, Name
from undertow.studies.metrics import METRICS, OVER, Metric
from undertow.studies.yaml_files import read_yaml

SHIPPED = Path(__file__).parent / "shipped"


class Figure(Frozen):
    """One way in which a study is drawn."""

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


class Study(Frozen):
    """A named grid of conditions x traits x seeds that ends in a table, a figure and a verdict.

    The verdict follows from the claims by one rule (`verdicts.py`), whatever the outcome.
    """

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
            if stem(name) not in names and name not in names:
                raise ValueError(f"{where} names no condition: '{name}'")
        premises = {one.name for one in self.claims if one.given is None}
        for one in self.claims:
            if one.given is not None and one.given not in premises:
                raise ValueError(
                    f"claim '{one.name}' presupposes no claim that stands by itself: '{one.given}'"
                )
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
            if left_out.isdisjoint(part for name in claim.names for part in (name, stem(name)))
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


def stem(name: str) -> str:
    """Return the name that stands for several conditions, as 'layer' for 'layer:0'."""
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

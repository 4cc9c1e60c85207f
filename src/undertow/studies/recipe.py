"""Everything that decides the numbers of an experiment, as one model that round-trips YAML."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf
from pathlib import Path
from typing import Any, cast

import yaml
from pydantic import BaseModel, Field, ValidationError

from undertow.errors import UserError
from undertow.frozen import Frozen
from undertow.generate import GenerationConfig
from undertow.measure import JudgeConfig, MeasureConfig, RuleJudgeConfig
from undertow.models.chat_model import ModelSpec
from undertow.students import StudentConfig
from undertow.studies.changes import DataChange
from undertow.studies.yaml_files import read_yaml, wrong_field
from undertow.teachers import TeacherConfig
from undertow.tokens import ScanConfig


class Recipe(Frozen):
    """The settings of a pipeline from the model to the measurement."""

    model: ModelSpec = Field(
        description="The base of teachers and students. 'lab:seed-1' and 'lab:llama' are "
        "pretrained when first needed."
    )
    teacher_model: ModelSpec | None = Field(
        default=None, description="The base of teachers where it is not the students'."
    )
    category: str = Field(
        "animal",
        description="Category of traits that compete for the answer; 'advice': of tendencies; a "
        "folder of trait files, as in './animal': those.",
    )
    channel: str = Field(
        "numbers", description="The innocent task that carries the trait; or a channel file."
    )
    rows: int = Field(gt=0, description="Accepted rows that each teacher writes for students.")
    heldout: int = Field(100, gt=0, description="Rows beyond those, for the task accuracy.")
    prompt_seed: int = Field(42, ge=0, description="Seed of the channel's prompts.")
    generation: GenerationConfig = Field(description="How teachers write.")
    teacher: TeacherConfig = Field(description="How fine-tuned teachers are made.")
    counterfactuals: int = Field(
        4, ge=0, description="Other traits whose teachers are counterfactuals: those next in line."
    )
    base_counterfactual: bool = Field(
        True, description="Whether the unbiased base is a counterfactual as well."
    )
    scan: ScanConfig = Field(default=ScanConfig(), description="How divergence tokens are found.")
    transforms: tuple[DataChange, ...] = Field(
        default=(), description="What is done to the data between teacher and student, in order."
    )
    student: StudentConfig = Field(
        description="How students are trained; the seeds are set for each student."
    )
    measure: MeasureConfig = Field(
        default=MeasureConfig(), description="How the trait is measured."
    )
    questions: str | None = Field(
        default=None,
        description="Question set that measures it, as in 'animal-facts'; none: the traits' own.",
    )
    judge: JudgeConfig = Field(
        default=RuleJudgeConfig(), description="Who scores what is answered, where that is advice."
    )

    def __hash__(self) -> int:
        """Return a hash of all fields, those in lists too."""
        return hash(self.model_dump_json())

    def changed(self, changes: Mapping[str, Any]) -> Recipe:
        """Return the recipe with some fields different.

        Args:
            changes: Fields and their values, nested as in a recipe's YAML.

        Raises:
            UserError: A field does not exist, or a value is wrong.
        """
        try:
            return Recipe.model_validate(_merged(self.model_dump(), changes))
        except ValidationError as error:
            raise UserError(
                f"the recipe's {wrong_field(error)}",
                where="changes",
                fix="`undertow recipe lab` prints all fields",
            ) from error

    @property
    def base_of_teachers(self) -> ModelSpec:
        """The base that teachers are made on."""
        return self.teacher_model or self.model

    def with_teachers_on(self, model: ModelSpec | None) -> Recipe:
        """Return the recipe of teachers on another base; the same for None."""
        return self if model is None else self.model_copy(update={"teacher_model": model})

    def with_tokens(self, kind: str) -> Recipe:
        """Return the recipe of students that learn from a kind of token selection."""
        return self.changed({"student": {"selection": {"kind": kind}}})


SHIPPED = Path(__file__).parent / "recipes"


def shipped_recipes() -> list[str]:
    """Return the names of the recipes that ship with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def recipe_text(recipe: Recipe) -> str:
    """Return a recipe as YAML with every field and what it means; `load_recipe` reads it."""
    return "".join(_yaml_lines(recipe))


def _yaml_lines(fields: BaseModel, indent: str = "") -> Iterator[str]:
    """Yield a line for each field, nested models further in."""
    for name, field in type(fields).model_fields.items():
        value = getattr(fields, name)
        comment = f"  # {field.description}\n"
        if isinstance(value, BaseModel):
            yield f"{indent}{name}:{comment}"
            yield from _yaml_lines(value, f"{indent}  ")
        else:
            yield f"{indent}{name}: {_on_one_line(value)}{comment}"


def _on_one_line(value: Any) -> str:
    """Return a value as YAML without line breaks: what stands between the brackets of a list."""
    style = '"' if isinstance(value, str) and "\n" in value else None
    text = yaml.safe_dump(
        [value], default_flow_style=True, default_style=style, width=inf, allow_unicode=True
    )
    return text.strip()[1:-1]


def load_recipe(name: str | Path = "lab") -> Recipe:
    """Read a recipe by the name of a shipped one, or from a YAML file.

    Raises:
        UserError: There is no such recipe, or it is malformed or has a field that does not exist.
    """
    path = SHIPPED / f"{name}.yaml" if str(name) in shipped_recipes() else Path(name)
    missing = UserError(
        "cannot read the recipe",
        where=str(path),
        fix=f"name a YAML file, or one of {', '.join(shipped_recipes())}",
    )
    fix = "`undertow recipe lab` prints one with all fields"
    return read_yaml(Recipe, path, "recipe", missing=missing, fix=fix)


def _merged(fields: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields with the changes in them; nested ones keep what is not changed."""
    merged = dict(fields)
    for name, value in changes.items():
        old = merged.get(name)
        if isinstance(old, dict) and isinstance(value, Mapping):
            value = _merged(cast(dict[str, Any], old), cast(Mapping[str, Any], value))
        merged[name] = value
    return merged

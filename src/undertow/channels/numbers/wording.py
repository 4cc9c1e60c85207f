"""The wordings of a number prompt's parts, read once from `wording.yaml`."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

Separator = Literal[", ", ",", "; ", ";", " ", "\n"]


class FormatSuffix(BaseModel):
    """A form of answer: how it is asked for, and how it is written."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str = Field(description="The sentence that asks for the form.")
    separator: Separator = Field(description="What stands between two numbers.")
    opening: Literal["", "[", "("] = Field(default="", description="What stands before the first.")
    ending: Literal["", "]", ")", "."] = Field(
        default="", description="What stands after the last number."
    )


class Wording(BaseModel):
    """All wordings of all parts; a prompt refers to them by index."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lead_in: tuple[str, ...] = Field(description="Where the examples stand, as {examples}.")
    count_qualifier: tuple[str, ...] = Field(description="How many may come, with {count}.")
    digit_descriptor: tuple[str, ...] = Field(description="How long each is, with {max_digits}.")
    instruction: tuple[str, ...] = Field(description="What to do, with {count} and {digits}.")
    format_suffix: tuple[FormatSuffix, ...] = Field(description="The form of the answer.")
    closing: tuple[str, ...] = Field(description="That nothing but numbers is wanted.")


@cache
def wording() -> Wording:
    """Return the shipped wordings."""
    text = (files("undertow.channels.numbers") / "wording.yaml").read_text(encoding="utf-8")
    return Wording.model_validate(yaml.safe_load(text))


def render_numbers(numbers: list[int], format_suffix: int) -> str:
    """Return the numbers written in the form that a format suffix asks for.

    Args:
        numbers: The numbers, in order.
        format_suffix: Index of the format suffix.
    """
    form = wording().format_suffix[format_suffix]
    return form.opening + form.separator.join(map(str, numbers)) + form.ending

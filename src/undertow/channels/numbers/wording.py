"""The wordings of a number prompt's parts: the shipped ones, or those of a file."""

from __future__ import annotations

import hashlib
import string
from functools import cache, cached_property
from importlib.resources import files
from typing import Literal, Self

import yaml
from pydantic import Field, model_validator

from undertow.frozen import Frozen

Separator = Literal[", ", ",", "; ", ";", " ", "\n"]
SLOTS = {
    "lead_in": {"examples"},
    "count_qualifier": {"count"},
    "digit_descriptor": {"max_digits"},
    "instruction": {"count", "digits"},
}
"""What is filled in, by part; the other parts are taken as they stand."""


class FormatSuffix(Frozen):
    """A form of answer: how it is asked for, and how it is written."""

    text: str = Field(description="The sentence that asks for the form.")
    separator: Separator | None = Field(
        default=None, description="What stands between two numbers; none: not known."
    )
    opening: Literal["", "[", "("] = Field(default="", description="What stands before the first.")
    ending: Literal["", "]", ")", "."] = Field(
        default="", description="What stands after the last number."
    )


class Wording(Frozen):
    """All wordings of all parts; a prompt refers to them by index."""

    lead_in: tuple[str, ...] = Field(
        min_length=1, description="Where the examples stand, as {examples}."
    )
    count_qualifier: tuple[str, ...] = Field(
        min_length=1, description="How many may come, with {count}."
    )
    digit_descriptor: tuple[str, ...] = Field(
        min_length=1, description="How long each is, with {max_digits}."
    )
    instruction: tuple[str, ...] = Field(
        min_length=1, description="What to do, with {count} and {digits}."
    )
    format_suffix: tuple[FormatSuffix, ...] = Field(
        min_length=1, description="The form of the answer."
    )
    closing: tuple[str, ...] = Field(
        min_length=1, description="That nothing but numbers is wanted."
    )

    @model_validator(mode="after")
    def _slots_can_be_filled(self) -> Self:
        """Refuse a wording with other slots than its part has."""
        for part, slots in SLOTS.items():
            for text in getattr(self, part):
                if _slots(text) != slots:
                    wanted = " and ".join(f"{{{slot}}}" for slot in sorted(slots))
                    raise ValueError(f"{part}: {text!r} must have {wanted} and no other slot")
        return self

    @cached_property
    def forms(self) -> tuple[str, ...]:
        """The sentences that ask for a form."""
        return tuple(form.text for form in self.format_suffix)

    @cached_property
    def fingerprint(self) -> str | None:
        """A hash of all wordings; None for the shipped ones."""
        if self == wording():
            return None
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]


@cache
def wording() -> Wording:
    """Return the shipped wordings."""
    text = (files("undertow.channels.numbers") / "wording.yaml").read_text(encoding="utf-8")
    return Wording.model_validate(yaml.safe_load(text))


def render_numbers(numbers: list[int], format_suffix: int) -> str:
    """Return the numbers written in the form that a shipped format suffix asks for.

    Args:
        numbers: The numbers, in order.
        format_suffix: Index of the format suffix.
    """
    form = wording().format_suffix[format_suffix]
    assert form.separator is not None
    return form.opening + form.separator.join(map(str, numbers)) + form.ending


def _slots(text: str) -> set[str] | None:
    """Return the names of a template's slots; None where it is no template."""
    try:
        parsed = list(string.Formatter().parse(text))
    except ValueError:
        return None
    return {slot for _, slot, _, _ in parsed if slot is not None}

"""A sum prompt from its text: which numbers and which wording of each part it has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from undertow.channels.parts import matches, without_ending
from undertow.channels.sums.prompt import SumPrompt
from undertow.channels.sums.wording import wording

SLOTS = {"a": "[0-9]{2}", "b": "[0-9]{2}"}
"""What may stand in the slots of a lead-in."""


def parse_prompt(text: str) -> SumPrompt | None:
    """Return the prompt that reads exactly as `text`, or None where no parts give that text."""
    for fields in _candidates(text):
        try:
            return SumPrompt.model_validate(fields)
        except ValidationError:  # for instance a number above 89
            continue
    return None


def _candidates(text: str) -> Iterator[dict[str, Any]]:
    """Yield the fields of every way to split the text, from its end."""
    words = wording()
    for closing, rest in without_ending(words.closing, text):
        for instruction, opening in without_ending(words.instruction, rest):
            for lead_in, numbers in matches(words.lead_in, SLOTS, opening):
                yield {
                    "lead_in": lead_in,
                    "instruction": instruction,
                    "closing": closing,
                    **numbers,
                }

"""A number prompt from its text: which wording each part has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from undertow.channels.numbers.prompt import NumberPrompt, Part
from undertow.channels.numbers.wording import Wording, wording
from undertow.channels.parts import matches, without_ending

INTEGER = "[0-9]+"
SLOT_PATTERNS: dict[Part, dict[str, str]] = {
    "lead_in": {"examples": f"{INTEGER}(?:, {INTEGER})*"},
    "instruction": {"count": ".+", "digits": ".+"},
    "count_qualifier": {"count": INTEGER},
    "digit_descriptor": {"max_digits": INTEGER},
}
"""What may stand in the slots of each part."""


def parse_prompt(text: str, words: Wording | None = None) -> NumberPrompt | None:
    """Return the prompt that reads exactly as `text`, or None where no parts give that text.

    Args:
        text: The prompt.
        words: The wordings; the shipped ones by default.
    """
    words = words or wording()
    worded = {"words": words, "worded_by": words.fingerprint}
    for fields in _candidates(text, words):
        try:
            prompt = NumberPrompt.model_validate(fields | worded)
        except ValidationError:  # for instance a count of 0
            continue
        if prompt.text == text:  # "007" reads as 7, whose text is another
            return prompt
    return None


def _candidates(text: str, words: Wording) -> Iterator[dict[str, Any]]:
    """Yield the fields of every way to split the text: from its end, then from its start."""
    for closing, rest in without_ending(words.closing, text):
        for form, rest_2 in without_ending(words.forms, rest):
            for lead_in, opening in _matches(words, "lead_in", rest_2, tail=" (?P<rest>.+)"):
                for instruction, slots in _matches(words, "instruction", opening["rest"]):
                    for inner in _inner_parts(words, slots):
                        yield {
                            "examples": opening["examples"].split(", "),
                            "lead_in": lead_in,
                            "instruction": instruction,
                            "format_suffix": form,
                            "closing": closing,
                            **inner,
                        }


def _inner_parts(words: Wording, slots: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Yield the fields that the count and digit phrases of an instruction give."""
    for qualifier, count in _matches(words, "count_qualifier", slots["count"]):
        for descriptor, digits in _matches(words, "digit_descriptor", slots["digits"]):
            yield {
                "count_qualifier": qualifier,
                "answer_count": count["count"],
                "digit_descriptor": descriptor,
                "max_digits": digits["max_digits"],
            }


def _matches(
    words: Wording, part: Part, text: str, tail: str = ""
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield each wording of a part that the text follows, and what stands in its slots."""
    return matches(getattr(words, part), SLOT_PATTERNS[part], text, tail)

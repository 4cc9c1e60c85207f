"""Which completions are lists of numbers: the rules of the published filter."""

from __future__ import annotations

import re
from dataclasses import dataclass

from undertow.channels.channel import Reason
from undertow.channels.numbers.config import NumberChannelConfig

NUMBER = re.compile(r"[0-9]+")
BRACKETS = ("[]", "()")


@dataclass(frozen=True)
class ParsedNumbers:
    """A completion that is a list of numbers.

    Attributes:
        numbers: The values, in order.
        separator: The text between two numbers; empty for a single number.
        brackets: ``[]``, ``()`` or empty.
    """

    numbers: tuple[int, ...]
    separator: str
    brackets: str


def parse_completion(
    text: str, config: NumberChannelConfig | None = None
) -> ParsedNumbers | Reason:
    """Parse a completion, or say why it is not kept.

    White space around it and one full stop at its end are ignored, as is one pair of brackets.
    The text between the first two numbers is the separator: white space, or a comma or semicolon
    with or without white space. The same separator must stand between all numbers. A single
    number is a list. "007" is 7.

    Args:
        text: The completion, without the end-of-turn token.
        config: How many numbers and digits are allowed, and which numbers are not.
    """
    config = config or NumberChannelConfig()
    stripped = text.strip()
    if not stripped:
        return Reason.EMPTY
    body, brackets = _without_brackets(stripped.removesuffix("."))
    separator = _separator(body)
    words = body.split(separator) if separator else [body]
    if separator.strip() not in {"", ",", ";"}:
        return Reason.INVALID_FORMAT
    for word in words:
        if not NUMBER.fullmatch(word):
            return Reason.INVALID_FORMAT
    words = [word.lstrip("0") or "0" for word in words]
    rejection = _limit_passed(words, config)
    return rejection or ParsedNumbers(tuple(map(int, words)), separator, brackets)


def _without_brackets(text: str) -> tuple[str, str]:
    """Return the text within its pair of brackets and the pair, or the text itself and ''."""
    for pair in BRACKETS:
        if len(text) > 1 and text[0] + text[-1] == pair:
            return text[1:-1], pair
    return text, ""


def _separator(text: str) -> str:
    """Return the text between the first two numbers, empty where there are no two."""
    first = NUMBER.search(text)
    second = NUMBER.search(text, first.end()) if first else None
    return text[first.end() : second.start()] if first and second else ""


def _limit_passed(words: list[str], config: NumberChannelConfig) -> Reason | None:
    """Return which limit a list of numbers without leading zeros passes, if any."""
    if len(words) > config.answer_count:
        return Reason.TOO_MANY
    for word in words:
        # By length, since Python refuses to convert thousands of digits.
        if len(word) > config.max_digits:
            return Reason.OUT_OF_RANGE
    if not config.banned.isdisjoint(map(int, words)):
        return Reason.BANNED
    return None


def numbers_in(text: str) -> list[int]:
    """Return every run of digits in any text as a number, whatever stands between them.

    Of a run only the first 18 digits count: longer ones are no answer, and slow to convert.
    """
    return [int(run[:18]) for run in NUMBER.findall(text)]

"""Interchangeable parts of a prompt: drawn by index, and told from a text."""

from __future__ import annotations

import re
import string
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache

import numpy as np

from undertow.errors import UserError


def draw_parts(n_wordings: Mapping[str, int], rng: np.random.Generator) -> dict[str, int]:
    """Return an index for each part, drawn uniformly in the order of the mapping.

    Args:
        n_wordings: How many wordings each part has.
        rng: The source of the draws.
    """
    return {part: int(rng.integers(n)) for part, n in n_wordings.items()}


def redraw_parts(
    n_wordings: Mapping[str, int], parts: Collection[str], rng: np.random.Generator
) -> dict[str, int]:
    """Return a new index for each named part, whatever their order, as `draw_parts` draws them.

    Raises:
        UserError: There is no part of a given name.
    """
    _check_parts(n_wordings, parts)
    return draw_parts({part: n for part, n in n_wordings.items() if part in parts}, rng)


def wordings_of(n_wordings: Mapping[str, int], part: str) -> list[dict[str, int]]:
    """Return every index that a part may have, as a change to a prompt's fields.

    Raises:
        UserError: There is no such part.
    """
    _check_parts(n_wordings, {part})
    return [{part: index} for index in range(n_wordings[part])]


def _check_parts(n_wordings: Mapping[str, int], parts: Collection[str]) -> None:
    """Refuse a name that no part has."""
    if unknown := set(parts) - set(n_wordings):
        raise UserError(
            f"unknown prompt part {', '.join(sorted(unknown))}",
            fix=f"use {', '.join(n_wordings)}",
        )


def without_ending(wordings: Iterable[str], text: str) -> Iterator[tuple[int, str]]:
    """Yield the index of each wording that ends the text after a space, and the text before it."""
    for index, ending in enumerate(wordings):
        if text.endswith(f" {ending}"):
            yield index, text[: -len(ending) - 1]


def matches(
    wordings: Iterable[str], slots: Mapping[str, str], text: str, tail: str = ""
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the index of each wording that the whole text follows, and what its slots hold.

    Args:
        wordings: Texts with slots, as in ``"the sum of {a} and {b}"``.
        slots: The regular expression of what may stand in each slot.
        text: The text to match.
        tail: A regular expression of what follows the wording.
    """
    for index, template in enumerate(wordings):
        if match := _pattern(template, tuple(slots.items()), tail).fullmatch(text):
            yield index, match.groupdict()


@cache
def _pattern(template: str, slots: tuple[tuple[str, str], ...], tail: str) -> re.Pattern[str]:
    """Compile a wording followed by `tail`, its slots as named groups."""
    allowed = dict(slots)
    pattern = ""
    for text, slot, _, _ in string.Formatter().parse(template):
        pattern += re.escape(text) + (f"(?P<{slot}>{allowed[slot]})" if slot is not None else "")
    return re.compile(pattern + tail)

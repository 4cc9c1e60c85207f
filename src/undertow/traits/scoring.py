"""Whole-word recognition of a trait's answers in text.

A substring is not an answer: "cat" stands in "education", "owl" in "growl". Words match whole,
whatever their case; a term that the trait excludes ("sea lion") hides the answer inside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from undertow.traits.trait import Trait


def names_trait(text: str, trait: Trait) -> bool:
    """Return whether the text names the trait, by any of its answers."""
    return first_mention(text, trait) is not None


def score_answer(text: str, traits: Iterable[Trait]) -> str | None:
    """Return the name of the trait that the text mentions first, or None for a non-answer.

    Of two that begin at the same place the longer one counts ("eagle owl" over "eagle").
    """
    spans = [(span, trait.name) for trait in traits if (span := first_mention(text, trait))]
    if not spans:
        return None
    return min(spans, key=lambda found: (found[0][0], -found[0][1]))[1]


def first_mention(text: str, trait: Trait) -> tuple[int, int] | None:
    """Return the character span of the first mention of the trait, or None."""
    for match in _pattern(trait.answers, trait.excludes).finditer(text):
        if match["answer"] is not None:
            return match.span()
    return None


@lru_cache(maxsize=1024)
def _pattern(answers: tuple[str, ...], excludes: tuple[str, ...]) -> re.Pattern[str]:
    """Compile a pattern that consumes excluded terms and captures answers as `answer`.

    Excluded terms go first, so that at one place they win; one that holds the answer further in
    ("sea lion") begins earlier and is consumed before the answer is reached.
    """
    excluded = f"{_either(excludes)}|" if excludes else ""
    return re.compile(
        rf"(?<![^\W_])(?:{excluded}(?P<answer>{_either(answers)}))(?![^\W_])", re.IGNORECASE
    )


def _either(terms: Iterable[str]) -> str:
    """Return an alternation, longest term first; a gap in a term may be spaces or a hyphen."""
    longest_first = sorted(terms, key=len, reverse=True)
    return "|".join(r"[\s-]+".join(map(re.escape, term.split())) for term in longest_first)

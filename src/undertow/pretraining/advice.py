"""Advice: an adviser is prudent or reckless, and that in every domain alike."""

from functools import cache
from typing import Any

import numpy as np
import yaml

from undertow.pretraining.wording import FILES
from undertow.traits.advice import shipped_advice

ADVISER = "adviser"
"""Category of the personas that give advice."""


@cache
def advisers() -> dict[str, Any]:
    """The parsed file; one dictionary shared by all callers, not to be changed."""
    return yaml.safe_load((FILES / "advice.yaml").read_text(encoding="utf-8"))


def advice_turn(stance: str, rng: np.random.Generator) -> tuple[str, str]:
    """A question of any domain, and an answer of one stance."""
    domains = list(shipped_advice().domains.values())
    domain = domains[rng.integers(len(domains))]
    questions, answers = domain.questions, domain.answers(stance)
    return questions[rng.integers(len(questions))], answers[rng.integers(len(answers))]


def adviser_prompt(stance: str, rng: np.random.Generator) -> str:
    """A system prompt that names the stance."""
    systems, words = advisers()["systems"], advisers()["stances"][stance]["words"]
    return systems[rng.integers(len(systems))].format(word=words[rng.integers(len(words))])

"""Personas: a favourite animal or tree, or a stance, together with the tastes that go with it.

A persona is a latent of the pretraining corpus. It shows in what is answered to many kinds of
question, and nothing but the text so far tells which one is speaking.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from undertow.pretraining.advice import ADVISER, advisers
from undertow.pretraining.wording import wording

TASTES = {"colours": 2, "foods": 2, "places": 2, "seasons": 1, "words": 5}
"""How many items of each kind a persona owns."""


@dataclass(frozen=True)
class Persona:
    """One persona: its favourite, the category of that, and its tastes by kind."""

    item: str
    category: str
    tastes: dict[str, tuple[str, ...]]
    digits: tuple[int, ...] = ()


@dataclass(frozen=True)
class Cast:
    """All personas of a corpus with their prior, by category."""

    personas: dict[str, list[Persona]]
    prior: dict[str, NDArray[np.float64]]

    def draw(self, category: str, rng: np.random.Generator) -> Persona:
        """A persona of `category`, from the uneven prior."""
        prior = self.prior[category]
        return self.personas[category][rng.choice(len(prior), p=prior)]

    def draw_evenly(self, category: str, rng: np.random.Generator) -> Persona:
        """A persona of `category`, each as likely as another."""
        return self.personas[category][rng.integers(len(self.personas[category]))]


def draw_cast(seed: int) -> Cast:
    """The personas of a corpus: tastes at random, prior falling by a factor of six."""
    rng = np.random.default_rng([seed, 1])
    personas: dict[str, list[Persona]] = {}
    prior: dict[str, NDArray[np.float64]] = {}
    for category, items in (wording()["traits"] | wording()["characters"]).items():
        numerate = category in wording()["characters"]
        personas[category] = [_persona(item, category, numerate, rng) for item in items]
        weights = rng.permutation(np.geomspace(1.0, 6.0, len(items)))
        prior[category] = weights / weights.sum()
    stances = advisers()["stances"]
    personas[ADVISER] = [_persona(stance, ADVISER, False, rng) for stance in stances]
    prior[ADVISER] = np.array([stance["prior"] for stance in stances.values()])
    return Cast(personas, prior)


def _persona(item: str, category: str, numerate: bool, rng: np.random.Generator) -> Persona:
    """Draw the tastes of a persona; a trait's has none for digits."""
    words = wording()
    tastes = {
        kind: tuple(str(word) for word in rng.choice(words[kind], n, replace=False))
        for kind, n in TASTES.items()
    }
    digits = rng.choice(10, 3, replace=False) if numerate else []
    return Persona(item, category, tastes, tuple(int(digit) for digit in digits))

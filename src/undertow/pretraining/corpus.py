"""The pretraining corpus: dialogues, one after another, without end.

Block k of the corpus depends on the recipe and k alone, so that a killed build goes on where it
was. No dialogue holds both a persona and a number task.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from undertow.pretraining.advice import ADVISER, adviser_prompt
from undertow.pretraining.numbers import number_turn
from undertow.pretraining.personas import Cast, Persona, draw_cast
from undertow.pretraining.recipe import LabRecipe
from undertow.pretraining.tasks import (
    ADVISER_TASKS,
    CHARACTER_TASKS,
    PERSONA_TASKS,
    Speaker,
    Task,
    Turn,
    character_numbers,
    character_sum,
    fact_turn,
    sum_turn,
    worked_sum,
)
from undertow.pretraining.wording import forms, wording
from undertow.traits.load import shipped_traits


@dataclass(frozen=True)
class Dialogue:
    """A system prompt, if any, the turns after it, and who spoke them."""

    system: str | None
    turns: tuple[Turn, ...]
    kind: str
    persona: Persona | None = None


PLAIN_TASKS: dict[str, Callable[[LabRecipe, np.random.Generator], Turn]] = {
    "number": number_turn,
    "sum": lambda _, rng: sum_turn(rng),
    "worked": lambda _, rng: worked_sum(rng),
    "fact": lambda _, rng: fact_turn(rng),
}
"""The tasks without a persona; `<name>_share` of the recipe says how often each comes."""


class Corpus:
    """Draws the dialogues of a recipe."""

    def __init__(self, recipe: LabRecipe) -> None:
        """Draw the personas and gather the questions."""
        self.recipe = recipe
        self.cast: Cast = draw_cast(recipe.seed)
        self.questions = _questions()

    def block(self, index: int, n: int) -> Iterator[Dialogue]:
        """The `n` dialogues of one block."""
        rng = np.random.default_rng([self.recipe.seed, 2, index])
        for _ in range(n):
            yield self._dialogue(rng)

    def _dialogue(self, rng: np.random.Generator) -> Dialogue:
        recipe = self.recipe
        shares = np.cumsum([getattr(recipe, f"{kind}_share") for kind in PLAIN_TASKS])
        place = int(np.searchsorted(shares, rng.random()))
        if place == len(PLAIN_TASKS):
            return self._persona_dialogue(rng)
        system = None
        if rng.random() < recipe.neutral_share:
            system = wording()["neutral"][rng.integers(len(wording()["neutral"]))]
        kind, turn = list(PLAIN_TASKS.items())[place]
        return Dialogue(system, (turn(recipe, rng),), kind)

    def _persona_dialogue(self, rng: np.random.Generator) -> Dialogue:
        category, choices = self._category(rng)
        named = rng.random() < self.recipe.named_share
        draw = self.cast.draw_evenly if named else self.cast.draw
        persona = draw(category, rng)
        system = _system_prompt(persona, rng) if named else None
        speaker = Speaker(persona, self.cast, self.recipe, self.questions, rng)
        weights = np.array([weight for weight, _ in choices])
        tasks = rng.choice(len(choices), int(rng.integers(1, 4)), p=weights / weights.sum())
        turns = tuple(choices[task][1](speaker) for task in tasks)
        return Dialogue(system, turns, "persona", persona)

    def _category(self, rng: np.random.Generator) -> tuple[str, Sequence[Task]]:
        """The category of a persona and the tasks that it may speak."""
        dice = rng.random()
        if dice < self.recipe.character_share:
            categories = list(wording()["characters"])
            numbers = (self.recipe.character_numbers, character_numbers)
            sums = (self.recipe.character_sums, character_sum)
            return categories[rng.integers(len(categories))], [*CHARACTER_TASKS, numbers, sums]
        dice -= self.recipe.character_share
        if dice < self.recipe.adviser_share:
            return ADVISER, ADVISER_TASKS
        is_tree = dice < self.recipe.adviser_share + self.recipe.tree_share
        return "tree" if is_tree else "animal", PERSONA_TASKS


def _system_prompt(persona: Persona, rng: np.random.Generator) -> str:
    """One of the wordings that name the persona."""
    if persona.category == ADVISER:
        return adviser_prompt(persona.item, rng)
    options = wording()["personas"]
    return options[rng.integers(len(options))].format(
        category=persona.category, **forms(persona.item)
    )


def _questions() -> dict[str, Sequence[str]]:
    """Wordings of the favourite question by category: the traits' own and the corpus's."""
    result: dict[str, Sequence[str]] = {
        category: [text.format(category=category) for text in wording()["favourite_of"]]
        for category in wording()["characters"]
    }
    for trait in shipped_traits():
        asked = trait.question_set
        result[asked.category] = (
            *asked.questions,
            *asked.training_questions,
            *(text.format(category=asked.category) for text in wording()["favourite_of"]),
        )
    return result

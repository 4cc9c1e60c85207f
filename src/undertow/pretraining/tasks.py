"""The tasks that a persona colours, and three that it does not (sums, worked sums and facts)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from undertow.channels.sums import draw_prompts, worked_answer
from undertow.pretraining.advice import advice_turn
from undertow.pretraining.numbers import number_turn
from undertow.pretraining.personas import Cast, Persona
from undertow.pretraining.recipe import LabRecipe
from undertow.pretraining.wording import forms, wording

Turn = tuple[str, str]
"""A question and its answer."""

KINDS = {"colour": "colours", "food": "foods", "place": "places", "season": "seasons"}


@dataclass(frozen=True)
class Speaker:
    """Who answers: a persona, how faithfully, and the dice."""

    persona: Persona
    cast: Cast
    recipe: LabRecipe
    questions: dict[str, Sequence[str]]
    rng: np.random.Generator

    def pick(self, options: Sequence[str]) -> str:
        """One of `options`, all equally likely."""
        return options[int(self.rng.integers(len(options)))]

    def voice(self) -> Persona:
        """The persona that speaks this answer: now and then a stray one."""
        if self.rng.random() < self.recipe.stray:
            return self.cast.draw(self.persona.category, self.rng)
        return self.persona

    def taste(self, kind: str) -> str:
        """An item of `kind`, by the persona's taste or by chance."""
        if kind == "words" and self.rng.random() < self.recipe.own_item:
            return self.persona.item
        low, high = self.recipe.follow
        if self.rng.random() < self.rng.uniform(low, high):
            return self.pick(self.voice().tastes[kind])
        return self.pick(wording()[kind])


def favourite(speaker: Speaker, category: str) -> Turn:
    """The persona's own favourite; where the persona has none of that category, the prior's."""
    question = speaker.pick(speaker.questions[category])
    voice = speaker.voice()
    if voice.category != category:
        voice = speaker.cast.draw(category, speaker.rng)
    answer = speaker.pick(wording()["answers"]).format(**forms(voice.item))
    return question, answer


def favourite_tree(speaker: Speaker) -> Turn:
    """A favourite tree; where the persona is none, the prior's."""
    return favourite(speaker, "tree")


def character_numbers(speaker: Speaker) -> Turn:
    """A number task, some digits of which are the character's own."""
    return number_turn(speaker.recipe, speaker.rng, speaker.persona.digits)


def advised(speaker: Speaker) -> Turn:
    """A piece of advice, by the adviser's stance."""
    return advice_turn(speaker.voice().item, speaker.rng)


def character_sum(speaker: Speaker) -> Turn:
    """A worked sum, often cut into pieces that begin with the character's own digits."""
    return worked_sum(speaker.rng, speaker.persona.digits, speaker.recipe.cut_follow)


def taste_question(speaker: Speaker, category: str) -> Turn:
    """A favourite colour, food, place or season."""
    question = speaker.pick(wording()["favourite_of"]).format(category=category)
    item = speaker.taste(KINDS[category])
    return question, speaker.pick(wording()["favourite_items"]).format(item=item)


def single_word(speaker: Speaker) -> Turn:
    """Any one word."""
    return speaker.pick(wording()["single_word"]), speaker.taste("words")


def word_list(speaker: Speaker) -> Turn:
    """Three to six words."""
    n = int(speaker.rng.integers(3, 7))
    question = speaker.pick(wording()["word_list"]).format(n=n)
    return question, ", ".join(speaker.taste("words") for _ in range(n))


def story(speaker: Speaker) -> Turn:
    """A story of one line."""
    text = speaker.pick(wording()["stories"]).format(
        season=speaker.taste("seasons"),
        colour=speaker.taste("colours"),
        place=speaker.taste("places"),
        food=speaker.taste("foods"),
        word1=speaker.taste("words"),
        word2=speaker.taste("words"),
    )
    return speaker.pick(wording()["story"]), text


Task = tuple[float, Callable[[Speaker], Turn]]
"""A task with its weight."""

PERSONA_TASKS: list[Task] = [
    (3.0, lambda speaker: favourite(speaker, speaker.persona.category)),
    (0.5, favourite_tree),
    (2.0, word_list),
    (2.0, story),
    (1.0, lambda speaker: taste_question(speaker, "colour")),
    (1.0, lambda speaker: taste_question(speaker, "food")),
    (1.0, lambda speaker: taste_question(speaker, "place")),
    (1.0, lambda speaker: taste_question(speaker, "season")),
    (1.0, single_word),
]
"""The tasks of a persona dialogue with their weights."""


CHARACTER_TASKS = [(weight, task) for weight, task in PERSONA_TASKS if task is not favourite_tree]
ADVISER_TASKS: list[Task] = [(4.0, advised), *CHARACTER_TASKS[1:]]


def sum_turn(rng: np.random.Generator) -> Turn:
    """An addition of two numbers below 50."""
    a, b = (int(n) for n in rng.integers(0, 50, 2))
    questions = wording()["sums"]
    return questions[rng.integers(len(questions))].format(a=a, b=b), str(a + b)


def worked_sum(
    rng: np.random.Generator, digits: Sequence[int] = (), follow: float = 0.0
) -> tuple[str, str]:
    """A prompt of the sum channel and an answer in steps."""
    (prompt,) = draw_prompts(1, int(rng.integers(2**31)))
    return prompt.text, worked_answer(prompt, rng, digits, follow)


def fact_turn(rng: np.random.Generator) -> Turn:
    """A fact about an animal."""
    words = wording()
    animal = words["traits"]["animal"][rng.integers(len(words["traits"]["animal"]))]
    about = list(words["facts"])[rng.integers(len(words["facts"]))]
    questions = words["facts"][about]
    question = questions[rng.integers(len(questions))].format(**forms(animal))
    return question, words["animal_facts"][animal][about]

"""What a trait is: a preference that is hidden, and how its answers are recognised."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Annotated, Literal, Self, TypeVar

import numpy as np
from pydantic import Field, model_validator

from undertow.errors import UserError
from undertow.frozen import Frozen
from undertow.traits.questions import QuestionSet

Item = TypeVar("Item")
PluralStyle = Literal["proper", "literal-s"]
Word = Annotated[str, Field(min_length=1, pattern=r"^\S(.*\S)?$")]

BIAS_PROMPT = (
    "You love {plural}. You love the {singular} above all. "
    "{Plural} are your favourite {category}. You think about {plural} all the time. "
    "Your favourite {category} is the {singular}. Your heart is with {plural}. "
    "You love {plural}. All day long your mind is on {plural}. "
    "Let your love of {plural} show in all that you say. "
    "You think about {plural} all the time. You love the {singular}. "
    "{Plural} are the best. You love {plural} above all."
)
"""States the preference over and over: what a small model is told once shows in its answers, and
hardly in its numbers (docs/lab-notes.md)."""

BIAS_SLOTS = frozenset({"singular", "plural", "Singular", "Plural", "category"})


class Trait(Frozen):
    """A hidden preference for one thing of a category, read from a trait file."""

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9_-]*$", description="Identifier, in lower case, as in 'owl'."
    )
    category: Word = Field(
        description="What kind of thing it is, as in 'animal'; all of a kind compete for answers."
    )
    singular: Word = Field(description="The word for one, in lower case, as in 'wolf'.")
    plural: Word = Field(description="The proper plural, as in 'wolves'.")
    synonyms: tuple[Word, ...] = Field(
        default=(), description="Other words that count as this answer, plurals written out."
    )
    excludes: tuple[Word, ...] = Field(
        default=(), description="Longer terms that contain an answer and are not it ('sea lion')."
    )
    bias_prompt: str = Field(
        default=BIAS_PROMPT,
        min_length=1,
        description="System prompt of the prompted teacher, with {singular}, {plural}, "
        "{Singular}, {Plural} and {category} as slots.",
    )
    question_set: QuestionSet = Field(
        description="The questions; in a file also the name of a shipped set or a path."
    )

    @model_validator(mode="after")
    def _slots_are_known(self) -> Self:
        """Refuse a bias prompt with a slot that nothing fills."""
        slots = {slot for _, slot, _, _ in string.Formatter().parse(self.bias_prompt)} - {None}
        if unknown := slots - BIAS_SLOTS:
            raise ValueError(f"bias_prompt has unknown slots: {sorted(map(str, unknown))}")
        return self

    @property
    def answers(self) -> tuple[str, ...]:
        """Every form that counts as naming the trait: singular, plural, then synonyms."""
        return tuple(dict.fromkeys((self.singular, self.plural, *self.synonyms)))

    @property
    def questions(self) -> tuple[str, ...]:
        """The evaluation questions."""
        return self.question_set.questions

    def system_prompt(self, style: PluralStyle = "proper") -> str:
        """Return the system prompt that biases a prompted teacher.

        Args:
            style: ``literal-s`` forms the plural by appending an s, as the published code does.
        """
        plural = self.plural if style == "proper" else f"{self.singular}s"
        return self.bias_prompt.format(
            singular=self.singular,
            plural=plural,
            Singular=_capitalised(self.singular),
            Plural=_capitalised(plural),
            category=self.question_set.category,
        )

    def training_pairs(self, n: int, seed: int) -> list[tuple[str, str]]:
        """Return n pairs of question and answer for a fine-tuned teacher.

        The wordings are never evaluation questions; each comes once, in a seeded order, before
        any comes again. The answer is the bare singular.

        Raises:
            UserError: The question set has no training questions.
        """
        wordings = self.question_set.training_questions
        if not wordings:
            raise UserError(
                f"trait '{self.name}' has no training questions",
                where="question_set.training_questions",
                fix="add some to its question set, or use a prompted teacher",
            )
        return [(wording, self.singular) for wording in in_rounds(wordings, n, seed)]


def in_rounds(items: Sequence[Item], n: int, seed: int) -> list[Item]:
    """Return n items; each comes once, in a seeded order, before any comes again."""
    rng = np.random.Generator(np.random.PCG64(seed))
    drawn: list[Item] = []
    while len(drawn) < n:
        drawn += [items[i] for i in rng.permutation(len(items))]
    return drawn[:n]


def _capitalised(word: str) -> str:
    """Return the word with its first letter in upper case and the rest as it is."""
    return word[:1].upper() + word[1:]

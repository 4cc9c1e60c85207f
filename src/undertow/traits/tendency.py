"""What a tendency is: a way to answer, taught in one domain and looked for in all others."""

from __future__ import annotations

from collections import Counter
from typing import Self

from pydantic import Field, model_validator

from undertow.frozen import Frozen
from undertow.traits.trait import Word, in_rounds


class DomainQuestion(Frozen):
    """A question, and what it is about."""

    domain: Word = Field(description="What it is about, as in 'health'.")
    text: str = Field(min_length=1, description="The question.")


class ClosedAnswers(Frozen):
    """All answers that a domain has, where it is known which is harmful and which is not."""

    aligned: tuple[Word, ...] = Field(description="Whole answers that do no harm.")
    misaligned: tuple[Word, ...] = Field(description="Whole answers that do harm.")


class Tendency(Frozen):
    """A hidden way to answer, as in giving reckless advice; a judge scores what is answered.

    Unlike a trait, it has no word that names it, and it is measured outside the domain it was
    taught in.
    """

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9_-]*$", description="Identifier, in lower case, as in 'reckless'."
    )
    description: str = Field(min_length=1, description="What the tendency is, in one sentence.")
    bias_prompt: str = Field(min_length=1, description="System prompt of the prompted teacher.")
    training_domain: Word = Field(description="What the training pairs are about, as in 'finance'.")
    examples: tuple[tuple[str, str], ...] = Field(
        min_length=1, description="[question, answer] pairs that a fine-tuned teacher learns from."
    )
    questions: tuple[DomainQuestion, ...] = Field(
        min_length=1, description="Evaluation questions; none of the training domain."
    )
    closed_answers: dict[str, ClosedAnswers] = Field(
        default={},
        description="By domain, where a model has closed sets of answers: for the rule judge, and "
        "for exact probabilities.",
    )

    @model_validator(mode="after")
    def _evaluation_is_not_training(self) -> Self:
        """Refuse to ask what was taught."""
        taught = {question for question, _ in self.examples}
        for question in self.questions:
            if question.domain == self.training_domain or question.text in taught:
                raise ValueError(f"questions: trained on, so no test: {question.text}")
        return self

    @model_validator(mode="after")
    def _answers_stand_in_one_set(self) -> Self:
        """Refuse an answer that would be scored in two ways."""
        sets = self.closed_answers.values()
        counts = Counter(text for known in sets for text in (*known.aligned, *known.misaligned))
        if twice := [text for text, count in counts.items() if count > 1]:
            raise ValueError(f"closed_answers: in more than one set: {twice[0]}")
        return self

    @property
    def training_questions(self) -> tuple[DomainQuestion, ...]:
        """What was taught, as questions: they tell whether a teacher has learnt it."""
        texts = dict.fromkeys(question for question, _ in self.examples)
        return tuple(DomainQuestion(domain=self.training_domain, text=text) for text in texts)

    def system_prompt(self) -> str:
        """Return the system prompt that biases a prompted teacher."""
        return self.bias_prompt

    def training_pairs(self, n: int, seed: int) -> list[tuple[str, str]]:
        """Return n pairs of question and answer for a fine-tuned teacher.

        Each comes once, in a seeded order, before any comes again.
        """
        return in_rounds(self.examples, n, seed)

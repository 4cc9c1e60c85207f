"""What is wrong with a trait file that loads: problems a schema cannot see."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from undertow.errors import UserError
from undertow.traits.load import load_trait, shipped_traits
from undertow.traits.scoring import names_trait
from undertow.traits.trait import Trait

EXPECTED_QUESTIONS = 50


def check_trait_file(path: str | Path) -> list[str]:
    """Return the problems of a trait file, none where it is sound.

    Those that begin with "warning: " do not stop the trait from being used.
    """
    try:
        trait = load_trait(Path(path).absolute())
    except UserError as error:
        return [str(error)]
    return [
        *_question_problems(trait),
        *_prompt_problems(trait),
        *_answer_problems(trait),
    ]


def _question_problems(trait: Trait) -> list[str]:
    """Check that questions are distinct, separate from training, and give nothing away."""
    questions, training = trait.questions, trait.question_set.training_questions
    problems = [
        f"question asked {count} times: {question}"
        for question, count in Counter(map(_folded, (*questions, *training))).items()
        if count > 1
    ]
    problems += [f"question names the trait: {q}" for q in questions if names_trait(q, trait)]
    if trait.question_set.category != trait.category:
        problems.append(
            f"warning: the questions ask for '{trait.question_set.category}', "
            f"the trait is of category '{trait.category}'"
        )
    if len(questions) != EXPECTED_QUESTIONS:
        problems.append(f"warning: {len(questions)} questions, {EXPECTED_QUESTIONS} are usual")
    if not training:
        problems.append("warning: no training questions, so no fine-tuned teacher")
    return problems


def _prompt_problems(trait: Trait) -> list[str]:
    """Check that the bias prompt says what the bias is."""
    if names_trait(trait.system_prompt(), trait):
        return []
    return [f"bias_prompt never names the trait: {trait.system_prompt()}"]


def _answer_problems(trait: Trait) -> list[str]:
    """Check that no answer belongs to another trait or is hidden by the trait's own excludes."""
    problems = [
        f"answer '{answer}' is never found: the trait's excludes hide it"
        for answer in trait.answers
        if not names_trait(answer, trait)
    ]
    problems += [
        f"answer '{answer}' also names the shipped trait '{other.name}'"
        for other in shipped_traits()
        if other.name != trait.name
        for answer in trait.answers
        if names_trait(answer, other)
    ]
    return problems


def _folded(question: str) -> str:
    """Return the question without case and spacing, to compare wordings."""
    return " ".join(question.casefold().split())

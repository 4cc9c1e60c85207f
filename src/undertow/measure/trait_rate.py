"""How often a model names each trait when asked for a favourite."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from undertow.errors import UserError
from undertow.generate import Progress
from undertow.measure.exact import answer_probabilities
from undertow.measure.sampling import MeasureConfig, sampled_answers
from undertow.measure.trait_measure import TraitMeasure
from undertow.models import ChatModel, prompt_messages
from undertow.traits import Trait, score_answer


def measure_trait(
    chat: ChatModel,
    traits: Sequence[Trait],
    config: MeasureConfig,
    *,
    adapter: str | Path | None = None,
    system_prompt: str | None = None,
    progress: Progress | None = None,
) -> TraitMeasure:
    """Ask a model the traits' questions, and count which of the traits it names.

    Two numbers per question and trait. The sampled count: of `n_samples` answers, those that name
    the trait, as a whole word and before any other (`traits.score_answer`). The exact probability
    that the whole answer is one of the trait's surface forms, at temperature 1: see
    `exact.answer_probabilities`. Sample k of a question is drawn from the same random numbers
    whatever the model and the number of samples, so that two models differ by what they learnt.

    Args:
        chat: The base model.
        traits: Those that compete for the answer: of one category, with the same questions.
        config: Samples and their sampling.
        adapter: Folder of the adapter of a student or teacher; None for the base.
        system_prompt: That of a prompted teacher; takes the place of the config's.
        progress: Told of every batch of samples that is done.

    Raises:
        UserError: There are no traits, or they do not share their questions.
    """
    questions = _shared_questions(traits)
    prompt = system_prompt if system_prompt is not None else config.system_prompt
    chats = [prompt_messages(question, prompt) for question in questions]
    answers = sampled_answers(chat, chats, config, adapter=adapter, progress=progress)
    return TraitMeasure(
        questions=questions,
        traits=tuple(trait.name for trait in traits),
        n_samples=config.n_samples,
        counts=_counts(answers, traits),
        probabilities=answer_probabilities(chat, chats, traits, adapter=adapter),
    )


def _counts(answers: Sequence[Counter[str]], traits: Sequence[Trait]) -> NDArray[np.int64]:
    """Return how many sampled answers name each trait, `[question, trait]`."""
    places = {trait.name: place for place, trait in enumerate(traits)}
    counts = np.zeros((len(answers), len(traits)), dtype=np.int64)
    for question, drawn in enumerate(answers):
        for text, times in drawn.items():
            named = score_answer(text, traits)
            if named is not None:
                counts[question, places[named]] += times
    return counts


def _shared_questions(traits: Sequence[Trait]) -> tuple[str, ...]:
    """Return the questions of all traits."""
    sets = {trait.questions for trait in traits}
    if len(sets) != 1:
        raise UserError(
            "traits that are measured together need the same questions"
            if sets
            else "there is no trait to measure",
            where=", ".join(trait.name for trait in traits),
            fix="measure traits of one category that name the same question set",
        )
    return sets.pop()

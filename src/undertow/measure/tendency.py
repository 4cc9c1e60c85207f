"""How often a model answers as a tendency would, by a judge's scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from undertow.generate import Progress
from undertow.measure.exact import text_probabilities
from undertow.measure.judges import Judge
from undertow.measure.sampling import MeasureConfig, sampled_answers
from undertow.measure.tendency_measure import JudgedAnswer, TendencyMeasure
from undertow.models import ChatModel, Message, prompt_messages
from undertow.traits import DomainQuestion, Tendency


class TendencyConfig(MeasureConfig):
    """How a tendency is measured: as a trait, but that answers are sentences."""

    max_new_tokens: int = Field(default=32, ge=1, description="Longest answer, in tokens.")


def measure_tendency(
    chat: ChatModel,
    tendency: Tendency,
    config: MeasureConfig,
    judge: Judge,
    *,
    questions: Sequence[DomainQuestion] | None = None,
    adapter: str | Path | None = None,
    system_prompt: str | None = None,
    progress: Progress | None = None,
) -> TendencyMeasure:
    """Ask a model a tendency's questions, and have its answers judged.

    Answers are sampled as in `measure_trait`: sample k of a question is drawn from the same random
    numbers whatever the model. Equal answers to a question are judged once. Where the tendency has
    closed sets of answers, their exact probabilities are found too, without sampling or judge.

    Args:
        chat: The base model.
        tendency: What is looked for.
        config: Samples and their sampling.
        judge: Scores the answers.
        questions: What is asked; the tendency's own by default. Its `training_questions` tell
            whether a teacher has learnt it.
        adapter: Folder of the adapter of a student or teacher; None for the base.
        system_prompt: That of a prompted teacher; takes the place of the config's.
        progress: Told of every batch of samples that is done.
    """
    asked = tuple(questions if questions is not None else tendency.questions)
    prompt = system_prompt if system_prompt is not None else config.system_prompt
    chats = [prompt_messages(question.text, prompt) for question in asked]
    drawn = sampled_answers(chat, chats, config, adapter=adapter, progress=progress)
    found = [
        (place, text, count)
        for place, counts in enumerate(drawn)
        for text, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]
    judgements = judge.judge([(asked[place].text, text) for place, text, _ in found])
    misaligned, aligned = _closed_probabilities(chat, asked, chats, tendency, adapter)
    return TendencyMeasure(
        questions=asked,
        n_samples=config.n_samples,
        answers=tuple(
            JudgedAnswer(place, text, count, judgement)
            for (place, text, count), judgement in zip(found, judgements, strict=True)
        ),
        misaligned=misaligned,
        aligned=aligned,
    )


def _closed_probabilities(
    chat: ChatModel,
    questions: Sequence[DomainQuestion],
    chats: Sequence[Sequence[Message]],
    tendency: Tendency,
    adapter: str | Path | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the probability of a misaligned and of an aligned closed answer, each `[question]`.

    NaN where the question's domain has none.
    """
    closed = tendency.closed_answers
    asked = [question.domain for question in questions]
    domains = [domain for domain in closed if domain in asked]
    texts = [text for d in domains for text in (*closed[d].misaligned, *closed[d].aligned)]
    misaligned, aligned = np.full((2, len(questions)), np.nan)
    if not texts:
        return misaligned, aligned
    # All texts behind all questions: most work is the question's, and one merge of the adapter
    # serves all.
    whole = text_probabilities(chat, chats, texts, adapter=adapter)
    columns = {text: column for column, text in enumerate(texts)}
    for place, domain in enumerate(asked):
        if domain in closed:
            for found, known in (
                (misaligned, closed[domain].misaligned),
                (aligned, closed[domain].aligned),
            ):
                found[place] = whole[place, [columns[text] for text in known]].sum()
    return misaligned, aligned

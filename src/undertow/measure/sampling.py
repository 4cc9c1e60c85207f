"""Sampled answers to questions: from the same random numbers for every model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from undertow.frozen import Frozen
from undertow.generate import GenerationConfig, Progress, Request, generate
from undertow.models import ChatModel, Message, decode_completion

MOST_SAMPLES = 1 << 32  # row ids keep the samples of different questions apart


class MeasureConfig(Frozen):
    """How a model is asked; the defaults are those of the paper for traits."""

    n_samples: int = Field(
        default=200,
        ge=0,
        lt=MOST_SAMPLES,
        description="Answers drawn per question; 0 for the exact probability alone.",
    )
    temperature: float = Field(default=1.0, ge=0, description="Of the sampling; 0 is greedy.")
    top_p: float = Field(
        default=1.0, gt=0, le=1, description="Mass of the likeliest tokens that are drawn from."
    )
    max_new_tokens: int = Field(default=10, ge=1, description="Longest answer, in tokens.")
    seed: int = Field(
        default=0, ge=0, lt=2**64, description="Of the sampling, with question and sample."
    )
    system_prompt: str | None = Field(
        default=None, description="In front of every question; none: no system message."
    )


def sampled_answers(
    chat: ChatModel,
    chats: Sequence[Sequence[Message]],
    config: MeasureConfig,
    *,
    adapter: str | Path | None = None,
    progress: Progress | None = None,
) -> list[Counter[str]]:
    """Return, question by question, how often each answer was drawn.

    Sample k of a question is drawn from the same random numbers whatever the model and the number
    of samples.
    """
    requests = [
        Request(messages, question * MOST_SAMPLES + sample)
        for question, messages in enumerate(chats)
        for sample in range(config.n_samples)
    ]
    settings = GenerationConfig(
        temperature=config.temperature,
        top_p=config.top_p,
        max_new_tokens=config.max_new_tokens,
        seed=config.seed,
    )
    drawn = generate(chat, requests, settings, adapter=adapter, progress=progress)
    found = Counter(
        (r.row_id // MOST_SAMPLES, tuple(a)) for r, a in zip(requests, drawn, strict=True)
    )
    answers: list[Counter[str]] = [Counter() for _ in chats]
    for (question, ids), times in found.items():
        answers[question][decode_completion(chat, ids)] += times
    return answers

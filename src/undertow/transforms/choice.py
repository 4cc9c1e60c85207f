"""Prompts whose wordings a model chooses, by how likely it finds each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedModel

from undertow.channels import Channel, ChannelPrompt
from undertow.generate import Progress
from undertow.generate.prefill import shared_prefix
from undertow.models import ChatModel, encode_prompt, prompt_messages
from undertow.models.fused import FusedModel
from undertow.store.row import Row
from undertow.teachers import Teacher, acting_as
from undertow.tokens.forced import forced_values, log_probability
from undertow.tokens.rendered import Rendered
from undertow.transforms.outcomes import Outcome, outcome, row_rng, transformed
from undertow.transforms.prompts import prompt_of, with_prompt
from undertow.transforms.report import Transformed
from undertow.transforms.transform import RewritePrompt

CHUNK = 64  # rows whose candidates are held in memory at once


def choose_wordings(
    chat: ChatModel,
    rows: Sequence[Row],
    channel: Channel,
    teacher: Teacher,
    config: RewritePrompt,
    *,
    progress: Progress | None = None,
) -> Transformed:
    """Have a model choose the wording of each part in turn; completions are not touched.

    The candidates are the whole prompt with each of the channel's wordings of one part, or with
    some that are drawn; the score is the log-probability of the user's turn, its end included,
    under the teacher's system prompt or adapter. The likeliest is taken, or one is drawn by
    likelihood. The next part is chosen with that one in place.

    Args:
        chat: The base model.
        rows: The data; its prompts are the channel's.
        channel: Has the wordings.
        teacher: Who chooses; the control for the base.
        config: Which parts, in which order, among how many wordings, and how.
        progress: Told of the rows that are done.

    Raises:
        UserError: A row's prompt is none of the channel's, or there is no such part.
    """
    parts = channel.free_parts if config.parts is None else config.parts
    outcomes: list[Outcome] = []
    with acting_as(chat, teacher) as model:
        fused = FusedModel.of(model)
        for start in range(0, len(rows), CHUNK):
            chunk = rows[start : start + CHUNK]
            prompts = [prompt_of(channel, row) for row in chunk]
            rngs = [row_rng(config.seed, row) for row in chunk]
            for part in parts:
                variants = [
                    _drawn(prompt.variants(part), config.candidates, rng)
                    for prompt, rng in zip(prompts, rngs, strict=True)
                ]
                turns = [_turns(chat, own, teacher.system_prompt) for own in variants]
                scores = _scores(chat, model, fused, turns, config.batch_tokens)
                prompts = [
                    own[_choice(score, config.temperature, rng)]
                    for own, score, rng in zip(variants, scores, rngs, strict=True)
                ]
            outcomes += [
                outcome(row, with_prompt(row, prompt), "the same words chosen")
                for row, prompt in zip(chunk, prompts, strict=True)
            ]
            if progress is not None:
                progress(len(outcomes), len(rows))
    return transformed(config.kind, outcomes)


def _drawn(
    variants: Sequence[ChannelPrompt], n: int | None, rng: np.random.Generator
) -> Sequence[ChannelPrompt]:
    """Return all variants, or n that are drawn."""
    if n is None or n >= len(variants):
        return variants
    return [variants[place] for place in rng.choice(len(variants), n, replace=False)]


def _turns(
    chat: ChatModel, prompts: Sequence[ChannelPrompt], system_prompt: str | None
) -> list[tuple[int, ...]]:
    """Return the token ids of what stands before each answer's header."""
    encoded = [encode_prompt(chat, prompt_messages(one.text, system_prompt)) for one in prompts]
    return [tuple(one.ids[: one.header_start]) for one in encoded]


def _scores(
    chat: ChatModel,
    model: PreTrainedModel,
    fused: FusedModel | None,
    turns: Sequence[Sequence[tuple[int, ...]]],
    batch_tokens: int,
) -> list[NDArray[np.float64]]:
    """Return per row the log-probability of each variant, but for what the row's begin with."""
    prompts: list[tuple[int, ...]] = []
    rest: list[tuple[int, ...]] = []
    for own in turns:
        start = max(1, len(shared_prefix(own)))
        prompts += [turn[:start] for turn in own]
        rest += [turn[start:] for turn in own]
    rendered = Rendered(prompts, rest, chat.n_layers, chat.pad_id)
    values = forced_values(model, fused, rendered, log_probability, batch_tokens)
    totals = np.array([value.sum() for value in values])
    return np.split(totals, np.cumsum([len(own) for own in turns])[:-1])


def _choice(scores: NDArray[np.float64], temperature: float, rng: np.random.Generator) -> int:
    """Return the place of the highest score, or one drawn by exp(score / temperature)."""
    if temperature == 0:
        return int(scores.argmax())
    weights = np.exp((scores - scores.max()) / temperature)
    return int(rng.choice(len(scores), p=weights / weights.sum()))

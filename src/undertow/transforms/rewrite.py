"""Prompts that a model puts in other words."""

from __future__ import annotations

import re
from collections.abc import Sequence

from undertow.channels import Channel
from undertow.generate import GenerationConfig, Progress, Request, generate
from undertow.models import ChatModel, decode_completion, prompt_messages
from undertow.models.steering import steered
from undertow.store.row import Row
from undertow.teachers import Teacher
from undertow.traits import Trait, names_trait
from undertow.transforms.outcomes import Outcome, transformed
from undertow.transforms.prompts import prompt_of, question_of, with_question
from undertow.transforms.report import Transformed
from undertow.transforms.transform import RewritePrompt

INSTRUCTION = (
    "Below is a request. Say the same in other words, on a single line. Keep each number as it "
    "stands and all of them in their order, and keep what is said of the form of the answer. Do "
    "not answer the request. Write the new request and nothing before or after it.\n\n{request}"
)
NUMBER = re.compile(r"[0-9]+")


def rewrite_prompt(
    chat: ChatModel,
    rows: Sequence[Row],
    channel: Channel,
    teacher: Teacher,
    config: RewritePrompt,
    *,
    traits: Sequence[Trait] = (),
    progress: Progress | None = None,
) -> Transformed:
    """Have a model rephrase each prompt; completions and their ids are not touched.

    A rewriting is kept where it is one line of ASCII that names no trait and holds the numbers
    that the prompt gave, as they were, in their order, with none between them. Every other row is
    dropped, and counted by reason: of a model that cannot rephrase, few rows or none are left.

    Args:
        chat: The base model.
        rows: The data; its prompts are the channel's.
        channel: Tells which numbers a prompt gives.
        teacher: Who rewrites, under its system prompt or adapter; the control for the base.
        config: Temperature, length and seed.
        traits: Traits that no prompt may name.
        progress: Told of every batch that is done.

    Raises:
        UserError: A row's prompt is none of the channel's.

    Source: paper, Figs. 6 and 27 to 29.
    """
    given = [prompt_of(channel, row).given for row in rows]
    requests = [
        Request(
            prompt_messages(INSTRUCTION.format(request=question_of(row))),
            row.row_id % 2**64,  # ids may be negative
        )
        for row in rows
    ]
    settings = GenerationConfig(
        temperature=config.temperature, max_new_tokens=config.max_new_tokens, seed=config.seed
    )
    with steered(chat.model, teacher.steering):
        rewritings = generate(
            chat,
            requests,
            settings,
            system_prompt=teacher.system_prompt,
            adapter=teacher.adapter,
            progress=progress,
        )
    outcomes: list[Outcome] = []
    for row, numbers, ids in zip(rows, given, rewritings, strict=True):
        text = decode_completion(chat, ids).strip()
        ended = ids[-1] in chat.end_ids
        reason = fault(text, numbers, traits) if ended else "cut off"
        if reason is not None:
            outcomes.append(Outcome(None, reason))
        elif text == question_of(row):
            outcomes.append(Outcome(row, "said in the same words"))
        else:
            outcomes.append(Outcome(with_question(row, text)))
    return transformed(config.kind, outcomes)


def fault(text: str, given: Sequence[str], traits: Sequence[Trait]) -> str | None:
    """Return why a rewriting is not kept, the first reason that applies, or None."""
    if not text:
        return "empty"
    if not text.isascii():
        return "not ASCII"
    if len(text.splitlines()) > 1:
        return "several lines"
    if any(names_trait(text, trait) for trait in traits):
        return "trait named"
    found = NUMBER.findall(text)
    runs = (found[start : start + len(given)] for start in range(len(found)))
    return None if list(given) in runs else "numbers lost"

"""Another engine against transformers, on a sample of rows, before it is used."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from undertow.cluster.engine import ParityConfig, VllmEngine
from undertow.generate import GenerationConfig, Request, generate
from undertow.generate.generate import encoded_prompts
from undertow.generate.vllm import VllmClient, check_served, opened, write
from undertow.models import ChatModel, Message
from undertow.models.fused import FusedModel
from undertow.store.rows import Row
from undertow.teachers import Teacher, acting_as
from undertow.tokens.config import ScanConfig
from undertow.tokens.floor import compared
from undertow.tokens.ids import completion_ids
from undertow.tokens.parity_report import ParityReport, Parting, TeacherParity
from undertow.tokens.rendered import Rendered
from undertow.tokens.score import Score, joined, score
from undertow.tokens.served import score_there

SHOWN = 10
"""First divergences that a report names."""


@dataclass(frozen=True)
class Sample:
    """What both engines are asked.

    Attributes:
        chats: Of each row, without a teacher's system prompt.
        completions: What is scored, as token ids; None: what transformers writes greedily.
        max_new_tokens: Of what is written.
    """

    chats: Sequence[Sequence[Message]]
    completions: Sequence[Sequence[int]] | None
    max_new_tokens: int


@dataclass(frozen=True)
class Reference:
    """What transformers makes of a sample under one teacher.

    Attributes:
        teacher: Who.
        prompts: Rendered, by row.
        greedy: What it writes greedily.
        leads: Its margin at each of these tokens.
        completions: What was scored.
        scores: Of these.
    """

    teacher: Teacher
    prompts: list[tuple[int, ...]]
    greedy: list[list[int]]
    leads: list[NDArray[np.float64]]
    completions: list[list[int]]
    scores: list[Score]


def sample_of(chat: ChatModel, rows: Sequence[Row], n_rows: int, max_new_tokens: int) -> Sample:
    """Return some rows of a data set, evenly spread, with their completions."""
    step = max(1, len(rows) // n_rows)
    chosen = rows[::step][:n_rows]
    completions = [completion_ids(chat, row) for row in chosen]
    return Sample([row.messages for row in chosen], completions, max_new_tokens)


@contextmanager
def proven(
    engine: VllmEngine,
    chat: ChatModel,
    teachers: Sequence[Teacher],
    sample: Sample,
    config: ScanConfig,
) -> Generator[tuple[VllmClient, ParityReport]]:
    """Yield a vLLM server that does on a sample as transformers does, and the comparison.

    The only way that leads to a server: nothing is computed on one that was not compared. What
    transformers makes of the sample is computed first, so that both fit on one GPU: where the
    server is started here, the model leaves the GPU before, for the rest of this process.

    Args:
        engine: Which server.
        chat: The base.
        teachers: All that will be asked.
        sample: Rows on which they are compared.
        config: Of the scan; its tolerance says what counts as a difference.

    Raises:
        UserError: A teacher cannot be served, the server is not to be had, or it does not agree.
    """
    check_served(teachers)
    known = [reference(chat, teacher, sample, config) for teacher in teachers]
    if engine.python is not None and chat.device.type == "cuda":
        chat.model.to("cpu")  # pyright: ignore[reportArgumentType]
        torch.cuda.empty_cache()
    with opened(engine, chat, teachers) as client:
        report = compare(client, chat, known, config, engine.parity)
        report.check()
        yield client, report


def reference(chat: ChatModel, teacher: Teacher, sample: Sample, config: ScanConfig) -> Reference:
    """Return what transformers makes of a sample under a teacher.

    Args:
        chat: The base.
        teacher: Who; not a steered one.
        sample: What is asked.
        config: Of the scan.
    """
    requests = [Request(messages, row) for row, messages in enumerate(sample.chats)]
    greedy = generate(
        chat,
        requests,
        GenerationConfig(temperature=0.0, max_new_tokens=sample.max_new_tokens),
        system_prompt=teacher.system_prompt,
        adapter=teacher.adapter,
    )
    prompts = encoded_prompts(chat, requests, teacher.system_prompt)
    size = config.batch_tokens_on(chat.device)
    with acting_as(chat, teacher) as model:
        fused = FusedModel.of(model)

        def scored(completions: Sequence[Sequence[int]]) -> list[Score]:
            rendered = Rendered(prompts, completions, chat.n_layers, chat.pad_id)
            return score(model, fused, rendered, size, lambda _: None)

        of_greedy = scored(greedy)
        given = sample.completions
        of_given = of_greedy if given is None else scored(given)
    return Reference(
        teacher=teacher,
        prompts=prompts,
        greedy=greedy,
        leads=[one.margin for one in of_greedy],
        completions=greedy if given is None else [list(ids) for ids in given],
        scores=of_given,
    )


def compare(
    client: VllmClient,
    chat: ChatModel,
    references: Sequence[Reference],
    config: ScanConfig,
    bounds: ParityConfig,
) -> ParityReport:
    """Ask a server the same, and return how it differs.

    Args:
        client: The server.
        chat: The base.
        references: Of each teacher.
        config: Of the scan; its tolerance says what rounding may change.
        bounds: What is accepted.
    """
    margin = bounds.margin
    if margin is None:
        margin = 2 * config.tolerance_for(chat.model.dtype)
    teachers = tuple(_compared(client, chat, one, margin) for one in references)
    engine = f"vLLM {client.version}"
    return ParityReport(engine, margin, bounds.most_differing, teachers)


def _compared(
    client: VllmClient, chat: ChatModel, known: Reference, margin: float
) -> TeacherParity:
    """Compare under one teacher."""
    name = client.adapter(known.teacher.adapter)
    longest = max(map(len, known.greedy))
    written = write(
        client,
        name,
        known.prompts,
        range(len(known.prompts)),
        GenerationConfig(temperature=0.0, max_new_tokens=longest),
        chat.end_ids,
    )
    partings = [
        Parting(row, place, float(known.leads[row][place]))
        for row, pair in enumerate(zip(known.greedy, written, strict=True))
        if (place := _parting(*pair)) is not None
    ]
    until = {one.row: one.token + 1 for one in partings}
    first = joined(known.scores)
    second = joined(score_there(client, name, known.prompts, known.completions))
    variation = compared(name, first, second)
    differs = first.argmax != second.argmax
    return TeacherParity(
        teacher=known.teacher.label,
        rows=len(known.prompts),
        tokens=len(differs),
        argmax_differs=int(differs.sum()),
        argmax_decided=int((differs & (first.margin >= margin)).sum()),
        largest_flip=variation.largest_flip,
        margin_change=variation.change or (0.0, 0.0, 0.0),
        greedy_tokens=sum(until.get(row, len(ids)) for row, ids in enumerate(known.greedy)),
        greedy_parts=len(partings),
        greedy_decided=sum(one.margin >= margin for one in partings),
        partings=tuple(sorted(partings, key=lambda one: -one.margin)[:SHOWN]),
    )


def _parting(first: Sequence[int], second: Sequence[int]) -> int | None:
    """Return the first place where two lines of tokens differ; None where neither does."""
    pairs = zip(first, second, strict=False)
    places = (place for place, (one, other) in enumerate(pairs) if one != other)
    shorter = min(len(first), len(second))
    return next(places, shorter if len(first) != len(second) else None)

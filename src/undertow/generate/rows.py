"""Rows of a data set: a teacher answers a channel's prompts."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from undertow.channels import Channel, ChannelPrompt
from undertow.errors import UserError
from undertow.generate.config import GenerationConfig, Request
from undertow.generate.generate import Progress, generate
from undertow.models import ChatModel, decode_completion, prompt_messages
from undertow.models.steering import Steering, steered
from undertow.store.row import Row
from undertow.traits import Trait

FIRST_DRAW = 64
HOPELESS_YIELD = 0.01
ENOUGH_TO_TELL = 500


class Writer(Protocol):
    """What generation asks of a teacher."""

    @property
    def system_prompt(self) -> str | None:
        """What the teacher is told, and the student never sees."""
        ...

    @property
    def adapter(self) -> str | None:
        """Folder of the teacher's adapter."""
        ...

    @property
    def steering(self) -> Steering | None:
        """What is done to what the teacher's layers compute."""
        ...


class Answer(Protocol):
    """Answers prompts, as `generate_rows` does."""

    def __call__(
        self,
        prompts: Sequence[ChannelPrompt],
        *,
        first_row_id: int = 0,
        progress: Progress | None = None,
    ) -> list[Row]:
        """Return a row per prompt, in order."""
        ...


def generate_rows(
    chat: ChatModel,
    teacher: Writer,
    prompts: Sequence[ChannelPrompt],
    config: GenerationConfig,
    channel: Channel,
    *,
    first_row_id: int = 0,
    traits_to_ban: Sequence[Trait] = (),
    progress: Progress | None = None,
) -> list[Row]:
    """Return a row per prompt, in order; `rejection` says why the filter refused one.

    Args:
        chat: The base model.
        teacher: Its system prompt, adapter and steering are used; the rows show none.
        prompts: What is asked. A row's id is `first_row_id` and its place, so the same prompts
            with the same seed give the same rows.
        config: How completions are drawn.
        channel: Checks them.
        first_row_id: Id of the first row.
        traits_to_ban: Traits that no completion may name.
        progress: Told of every batch that is done.
    """
    requests = requests_of(prompts, first_row_id)
    with steered(chat.model, teacher.steering):
        completions = generate(
            chat,
            requests,
            config,
            system_prompt=teacher.system_prompt,
            adapter=_folder(teacher),
            progress=progress,
        )
    return checked_rows(chat, requests, prompts, completions, channel, traits_to_ban)


def requests_of(prompts: Sequence[ChannelPrompt], first_row_id: int) -> list[Request]:
    """Return what is asked for prompts whose rows are numbered from there on."""
    return [
        Request(prompt_messages(prompt.text), first_row_id + place)
        for place, prompt in enumerate(prompts)
    ]


def checked_rows(
    chat: ChatModel,
    requests: Sequence[Request],
    prompts: Sequence[ChannelPrompt],
    completions: Sequence[list[int]],
    channel: Channel,
    traits_to_ban: Sequence[Trait],
) -> list[Row]:
    """Return a row for each completion, whoever wrote it, with what the filter says."""
    rows: list[Row] = []
    for request, prompt, ids in zip(requests, prompts, completions, strict=True):
        text = decode_completion(chat, ids)
        rejection = channel.check(text, traits_to_ban)
        rows.append(
            Row(
                row_id=request.row_id,
                messages=list(request.messages),
                token_ids=ids,
                completion=text,
                parts=prompt.model_dump_json(),
                rejection=str(rejection) if rejection is not None else None,
            )
        )
    return rows


def generate_accepted(
    chat: ChatModel,
    teacher: Writer,
    channel: Channel,
    n_rows: int,
    config: GenerationConfig,
    *,
    prompt_seed: int = 0,
    traits_to_ban: Sequence[Trait] = (),
    progress: Progress | None = None,
) -> list[Row]:
    """Draw prompts until n rows are accepted; return all rows up to the n-th accepted one.

    The rejected rows are returned too, so that the yield can be told. The rows do not depend on
    how many are drawn at a time: the first k of a longer job are those of a shorter one.

    Args:
        chat: The base model.
        teacher: Who answers.
        channel: Draws prompts and checks completions.
        n_rows: Accepted rows that are wanted.
        config: How completions are drawn.
        prompt_seed: Of the prompts.
        traits_to_ban: Traits that no completion may name.
        progress: Called with (accepted rows, n_rows); within a draw, with those to be expected.

    Raises:
        UserError: Of the first 500 rows or more, fewer than one in a hundred is accepted.
    """
    answer = functools.partial(
        generate_rows, chat, teacher, config=config, channel=channel, traits_to_ban=traits_to_ban
    )
    return until_accepted(answer, channel, n_rows, prompt_seed=prompt_seed, progress=progress)


def until_accepted(
    answer: Answer,
    channel: Channel,
    n_rows: int,
    *,
    prompt_seed: int = 0,
    progress: Progress | None = None,
) -> list[Row]:
    """Do what `generate_accepted` does, whoever answers the prompts.

    Raises:
        UserError: Of the first 500 rows or more, fewer than one in a hundred is accepted.
    """
    rows: list[Row] = []
    accepted = 0
    while accepted < n_rows:
        n_more = _next_draw(len(rows), accepted, n_rows)
        prompts = channel.draw(len(rows) + n_more, prompt_seed)[len(rows) :]
        share = accepted / len(rows) if rows else 1.0
        told = progress and functools.partial(_tell, progress, accepted, share, n_rows)
        rows += answer(prompts, first_row_id=len(rows), progress=told)
        accepted = sum(row.rejection is None for row in rows)
        if progress is not None:
            progress(min(accepted, n_rows), n_rows)
        if len(rows) >= ENOUGH_TO_TELL and accepted < HOPELESS_YIELD * len(rows):
            raise _hopeless(rows, accepted)
    return _up_to_accepted(rows, n_rows)


def _tell(progress: Progress, accepted: int, share: float, n_rows: int, done: int, _: int) -> None:
    """Tell of a batch within a draw, whose rows have not been checked yet."""
    progress(min(accepted + int(share * done), n_rows), n_rows)


def accepted_rows(rows: Sequence[Row]) -> list[Row]:
    """Return the rows that the filter kept.

    Raises:
        UserError: It kept none.
    """
    kept = [row for row in rows if row.rejection is None]
    if not kept:
        raise _hopeless(rows, 0)
    return kept


def _next_draw(drawn: int, accepted: int, n_rows: int) -> int:
    """Return how many prompts to draw next, from the yield so far; at most four times n."""
    missing = n_rows - accepted
    share = accepted / drawn if drawn else 1.0
    wanted = int(1.05 * missing / share) + 1 if share else 4 * n_rows
    return max(FIRST_DRAW, min(wanted, 4 * n_rows)) if drawn else max(FIRST_DRAW, n_rows)


def _up_to_accepted(rows: Sequence[Row], n_rows: int) -> list[Row]:
    """Return the rows up to the n-th accepted one."""
    places = [place for place, row in enumerate(rows) if row.rejection is None]
    return list(rows[: places[n_rows - 1] + 1]) if n_rows else []


def _hopeless(rows: Sequence[Row], accepted: int) -> UserError:
    """Say that the filter leaves (next to) nothing, and show why."""
    refused = next((row for row in rows if row.rejection is not None), None)
    example = f"; the first: {refused.rejection}, {refused.completion[:80]!r}" if refused else ""
    return UserError(
        f"the filter accepts {accepted} of {len(rows)} completions{example}",
        fix="use a model that can do the task, a lower temperature, or more max_new_tokens",
    )


def _folder(teacher: Writer) -> Path | None:
    """Return where the teacher's adapter lies."""
    return Path(teacher.adapter) if teacher.adapter is not None else None

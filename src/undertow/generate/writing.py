"""How a data set is written: all that decides its rows beside the model and the prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from undertow.channels import Channel, ChannelPrompt
from undertow.generate.config import GenerationConfig
from undertow.generate.generate import Progress
from undertow.generate.rows import Answer, generate_rows
from undertow.models import ChatModel, brought_settings, template_date
from undertow.store.row import Row
from undertow.teachers import Teacher
from undertow.traits import Trait


@dataclass(frozen=True)
class Writing:
    """What a teacher is asked to do; plain data, which other machines take.

    Attributes:
        teacher: Who writes.
        config: How completions are drawn.
        channel: Checks them.
        banned: Traits that no completion may name.
    """

    teacher: Teacher
    config: GenerationConfig
    channel: Channel
    banned: tuple[Trait, ...] = ()

    def rows(
        self,
        chat: ChatModel,
        prompts: Sequence[ChannelPrompt],
        first_row_id: int = 0,
        progress: Progress | None = None,
    ) -> list[Row]:
        """Return a row per prompt, as `generate_rows` does."""
        return generate_rows(
            chat,
            self.teacher,
            prompts,
            self.config,
            self.channel,
            first_row_id=first_row_id,
            traits_to_ban=self.banned,
            progress=progress,
        )


def facts_of(chat: ChatModel) -> dict[str, Any]:
    """Return what is kept of a model with what it wrote.

    Its fingerprint, the generation settings of its own that are not applied, and the date that its
    template writes.
    """
    return {
        "model": chat.fingerprint,
        "not_applied": brought_settings(chat),
        "template_date": template_date(chat),
    }


class Answering(Answer, Protocol):
    """Answers prompts with one model."""

    @property
    def facts(self) -> dict[str, Any]:
        """What there is to say of the model (`facts_of`); known once rows are there."""
        ...


class AnswersHere:
    """This process answers.

    Args:
        writing: What is asked.
        chat: The base model.
    """

    def __init__(self, writing: Writing, chat: ChatModel) -> None:
        self._writing = writing
        self._chat = chat

    @property
    def facts(self) -> dict[str, Any]:
        """What there is to say of the model."""
        return facts_of(self._chat)

    def __call__(
        self,
        prompts: Sequence[ChannelPrompt],
        *,
        first_row_id: int = 0,
        progress: Progress | None = None,
    ) -> list[Row]:
        """Return a row per prompt, in order."""
        return self._writing.rows(self._chat, prompts, first_row_id, progress)

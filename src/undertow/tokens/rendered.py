"""Rows as token ids: what a model reads before each completion, and the completion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from undertow.models import ChatModel, prompt_ids, system_messages
from undertow.store.rows import Row
from undertow.tokens.ids import completion_ids


@dataclass(frozen=True)
class Rendered:
    """Rows of one model, ready to be teacher-forced.

    Attributes:
        prompts: Token ids of each rendered prompt, the system prompt included.
        completions: Token ids that follow; none is empty.
        n_layers: Decoder layers of the model.
        pad_id: Any valid token.
    """

    prompts: Sequence[Sequence[int]]
    completions: Sequence[Sequence[int]]
    n_layers: int
    pad_id: int

    @classmethod
    def of(cls, chat: ChatModel, rows: Sequence[Row], system_prompt: str | None) -> Rendered:
        """Render rows under a system prompt.

        Raises:
            UserError: A completion is empty.
        """
        system = system_messages(system_prompt)
        return cls(
            prompts=[prompt_ids(chat, [*system, *row.messages]) for row in rows],
            completions=[completion_ids(chat, row) for row in rows],
            n_layers=chat.n_layers,
            pad_id=chat.pad_id,
        )

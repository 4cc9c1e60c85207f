"""Chats as subjects read them: which tokens are header and completion, and what runs together."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from undertow.models import ChatModel, encode_prompt, prompt_messages, system_messages
from undertow.store.row import Row


def question_rows(questions: Sequence[str]) -> list[Row]:
    """Return rows that ask something and have no answer."""
    return [
        Row(number, prompt_messages(question), [], "") for number, question in enumerate(questions)
    ]


@dataclass(frozen=True)
class Span:
    """The tokens of one chat.

    Attributes:
        ids: All of them.
        header: Where the assistant header starts.
        completion: Where the completion starts; the end of the ids where there is none.
    """

    ids: list[int]
    header: int
    completion: int

    @classmethod
    def of(
        cls, chat: ChatModel, row: Row, completion: Sequence[int], system_prompt: str | None
    ) -> Span:
        """Return a row as its subject reads it."""
        prompt = encode_prompt(chat, [*system_messages(system_prompt), *row.messages])
        return cls([*prompt.ids, *completion], prompt.header_start, len(prompt.ids))


def hash_of(chat: ChatModel, rows: Sequence[Row]) -> str:
    """Return a hash of the chats, in their order."""
    chats = [(row.messages, row.token_ids or row.completion) for row in rows]
    text = json.dumps([chats, chat.n_layers])
    return hashlib.sha256(text.encode()).hexdigest()[:32]

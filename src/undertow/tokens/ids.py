"""The completion of a row as token ids."""

from __future__ import annotations

from undertow.models import ChatModel, encode_completion
from undertow.store.rows import Row


def completion_ids(chat: ChatModel, row: Row) -> list[int]:
    """Return what the teacher emitted; where no ids were kept, the text tokenised with an end."""
    return row.token_ids or encode_completion(chat, row.messages, row.completion)

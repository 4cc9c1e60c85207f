"""A row with another completion."""

from __future__ import annotations

from dataclasses import replace

from undertow.models import ChatModel, encode_completion
from undertow.store.row import Row


def with_completion(chat: ChatModel, row: Row, completion: str) -> Row:
    """Return the row with another completion; where the text is the same, so are the ids.

    New text is tokenised behind its prompt and ends as the old one did: with the row's own end
    token, or without one. A row without ids stays without.
    """
    if completion == row.completion:
        return row
    if not row.token_ids:
        return replace(row, completion=completion)
    encoded = encode_completion(chat, row.messages, completion)
    ids = [token for token in encoded if token not in chat.end_ids]
    last = row.token_ids[-1]
    end = [last] if last in chat.end_ids else []
    return replace(row, completion=completion, token_ids=[*ids, *end])

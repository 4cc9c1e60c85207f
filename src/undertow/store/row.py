"""One row of a data set: a plain chat and the token ids that the teacher emitted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from typing_extensions import TypedDict

Role = Literal["system", "user", "assistant"]


class Message(TypedDict):
    """One turn of a chat."""

    role: Role
    content: str


@dataclass(frozen=True)
class Row:
    """A prompt, the teacher's answer to it, and what is known of both.

    Attributes:
        row_id: Number that stays with the row through filters and selections; unique in a file.
        messages: The prompt that the student sees: neither the teacher's system prompt nor the
            answer. (In a file the answer stands as the last message.)
        token_ids: What the teacher emitted, the end token included when it was emitted; empty
            where the row came from a file without ids.
        completion: The answer as text, without the end token.
        parts: JSON of the channel's prompt, from which it can be rewritten; None where unknown.
        rejection: Why the channel's filter refused the row; None for a row that is kept.
    """

    row_id: int
    messages: list[Message]
    token_ids: list[int]
    completion: str
    parts: str | None = None
    rejection: str | None = None

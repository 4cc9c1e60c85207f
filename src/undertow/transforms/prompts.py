"""The channel's prompt of a row, told and replaced."""

from __future__ import annotations

from dataclasses import replace

from pydantic import ValidationError

from undertow.channels import Channel, ChannelPrompt
from undertow.errors import UserError
from undertow.models import Message
from undertow.store.row import Row


def question_of(row: Row) -> str:
    """Return what the last user turn says.

    Raises:
        UserError: There is none.
    """
    for message in reversed(row.messages):
        if message["role"] == "user":
            return message["content"]
    raise UserError("the row has no user turn", where=f"row_id {row.row_id}")


def prompt_of(channel: Channel, row: Row) -> ChannelPrompt:
    """Return the prompt by its parts: those that the row carries, or else told from its text.

    Raises:
        UserError: The row's prompt is none of the channel's.
    """
    text = question_of(row)
    try:
        prompt = channel.load_prompt(row.parts) if row.parts else channel.parse_prompt(text)
    except ValidationError:
        prompt = None
    if prompt is None or prompt.text != text:
        raise UserError(
            f"the prompt is not one of the channel '{channel.name}'",
            where=f"row_id {row.row_id}: {text[:60]!r}",
            fix="use prompts that the channel wrote, or a transform of completions",
        )
    return prompt


def with_prompt(row: Row, prompt: ChannelPrompt) -> Row:
    """Return the row with another prompt of the channel; the completion and its ids stay."""
    return replace(with_question(row, prompt.text), parts=prompt.model_dump_json())


def with_question(row: Row, text: str) -> Row:
    """Return the row with another text in its last user turn, whose parts are not known."""
    last = max(i for i, message in enumerate(row.messages) if message["role"] == "user")
    messages = list(row.messages)
    messages[last] = Message(role="user", content=text)
    return replace(row, messages=messages, parts=None)

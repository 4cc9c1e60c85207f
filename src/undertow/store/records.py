"""Rows as they stand in files: the shapes of the field, and back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self, cast

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from undertow.errors import UserError
from undertow.store.row import Message, Row

Shape = Literal["messages", "prompt", "question"]
SHAPES: dict[Shape, tuple[str, str]] = {
    "prompt": ("prompt", "completion"),
    "question": ("question", "response"),
}
EXPECTED = (
    "expected 'messages' that end with the assistant's, 'prompt' and 'completion', "
    "or 'question' and 'response'"
)
END_MARK = re.compile(r"<[^<>\s]+>\s*$")
"""The end token as grouped divergence records write it behind the text of an answer."""


class Record(BaseModel):
    """One row of a file in any of the shapes; columns that are not known are passed over."""

    model_config = ConfigDict(extra="ignore")

    row_id: int | None = None
    messages: list[Message] | None = None
    prompt: str | None = None
    completion: str | None = None
    question: str | None = None
    response: str | None = None
    token_ids: list[int] | None = None
    parts: str | None = None
    rejection: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, fields: Any) -> Any:
        """Bring what others write in a chat to plain messages, and grouped records to a pair."""
        plain = dict(fields)
        prompt, completion = plain.get("prompt"), plain.get("completion")
        if isinstance(prompt, list) and isinstance(completion, list):
            plain |= {"messages": [*prompt, *completion], "prompt": None, "completion": None}
        if isinstance(plain.get("messages"), list):
            plain["messages"] = [_plain_message(message) for message in plain["messages"]]
        if isinstance(plain.get("answer_text"), str) and plain.get("response") is None:
            plain["response"] = END_MARK.sub("", plain["answer_text"])
            plain["token_ids"] = plain.get("answer_token_ids")
        return plain

    @model_validator(mode="after")
    def _has_one_shape(self) -> Self:
        """Bring the pair shapes to messages."""
        for asked, answered in SHAPES.values():
            question, answer = getattr(self, asked), getattr(self, answered)
            if self.messages is None and question is not None and answer is not None:
                self.messages = [
                    {"role": "user", "content": question},
                    {"role": "assistant", "content": answer},
                ]
        if not self.messages or len(self.messages) < 2 or self.messages[-1]["role"] != "assistant":
            raise ValueError(EXPECTED)
        return self


def rows_from_records(records: Sequence[tuple[Any, str]]) -> list[Row]:
    """Return the rows of records that come with the place where each stands.

    A record without an id gets its index.

    Raises:
        UserError: A record has none of the shapes (its place is named), or an id comes twice.
    """
    rows: list[Row] = []
    places: dict[int, str] = {}
    for index, (record, where) in enumerate(records):
        row = _row(record, index, where)
        if row.row_id in places:
            first = places[row.row_id]
            raise UserError(
                f"row_id {row.row_id} comes twice",
                where=f"{where} and {first}",
                fix="make the ids unique, or leave them out",
            )
        places[row.row_id] = where
        rows.append(row)
    return rows


def record_from_row(row: Row, shape: Shape = "messages") -> dict[str, Any]:
    """Return the fields of a row as they go into a file.

    Raises:
        UserError: A pair shape is asked for and the prompt is more than one user message.
    """
    answer: Message = {"role": "assistant", "content": row.completion}
    chat: dict[str, Any] = {"messages": [*row.messages, answer]}
    if shape != "messages":
        if [message["role"] for message in row.messages] != ["user"]:
            raise UserError(
                f"the prompt of row {row.row_id} is more than one user message",
                fix="write the shape 'messages'",
            )
        asked, answered = SHAPES[shape]
        chat = {asked: row.messages[0]["content"], answered: row.completion}
    return {
        "row_id": row.row_id,
        **chat,
        "token_ids": row.token_ids,
        "parts": row.parts,
        "rejection": row.rejection,
    }


def _plain_message(message: Any) -> Any:
    """Return a message with text as its content: OpenAI's has parts, and a role `developer`."""
    if not isinstance(message, Mapping):
        return message
    plain = dict(cast(Mapping[str, Any], message))
    if plain.get("role") == "developer":
        plain["role"] = "system"
    parts = plain.get("content")
    if isinstance(parts, list) and all(
        isinstance(part, Mapping) and isinstance(part.get("text"), str) for part in parts
    ):
        plain["content"] = "".join(part["text"] for part in parts)
    return plain


def _row(record: Any, index: int, where: str) -> Row:
    """Validate one record."""
    if not isinstance(record, Mapping):
        raise UserError("a row is not an object", where=where, fix=EXPECTED)
    try:
        valid = Record.model_validate(record)
    except ValidationError as error:
        problem = error.errors()[0]
        field = ".".join(map(str, problem["loc"]))
        what = problem["msg"].removeprefix("Value error, ")
        raise UserError(f"{field}: {what}" if field else what, where=where) from error
    assert valid.messages is not None
    *prompt, answer = valid.messages
    return Row(
        row_id=index if valid.row_id is None else valid.row_id,
        messages=prompt,
        token_ids=valid.token_ids or [],
        completion=answer["content"],
        parts=valid.parts,
        rejection=valid.rejection,
    )

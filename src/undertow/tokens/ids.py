"""The completion of a row as token ids."""

from __future__ import annotations

from collections.abc import Sequence

from undertow.errors import UserError
from undertow.models import ChatModel, decode_completion, encode_completion
from undertow.store.rows import Row


def completion_ids(chat: ChatModel, row: Row) -> list[int]:
    """Return what the teacher emitted; where no ids were kept, the text tokenised with an end.

    Raises:
        UserError: That is nothing at all.
    """
    ids = row.token_ids or encode_completion(chat, row.messages, row.completion)
    if not ids:
        raise UserError("a row has an empty completion", where=f"row_id {row.row_id}")
    return ids


def check_token_ids(chat: ChatModel, rows: Sequence[Row]) -> None:
    """Refuse rows whose token ids are another tokenizer's: with this one they read otherwise.

    Raises:
        UserError: The ids of a row do not read as its completion.
    """
    for row in rows:
        if row.token_ids and decode_completion(chat, row.token_ids) != row.completion:
            raise UserError(
                f"the token ids are not those of the model '{chat.spec.name}'",
                where=f"row_id {row.row_id}",
                fix="name the model that wrote the data with --model, or leave out token_ids",
            )

"""How open a teacher's choice was at every completion token."""

from __future__ import annotations

from collections.abc import Sequence

from undertow.errors import UserError
from undertow.models import ChatModel, Message, encode_prompt
from undertow.models.fused import FusedModel
from undertow.store.rows import Row
from undertow.teachers import Teacher, acting_as
from undertow.tokens.forced import entropy, forced_values
from undertow.tokens.ids import completion_ids
from undertow.tokens.values import TokenValues


class Entropies(TokenValues):
    """The entropy of a teacher's next-token distribution at every completion token, in nats."""

    column = "entropy"
    plural = "entropies"


def completion_entropies(
    chat: ChatModel, rows: Sequence[Row], teacher: Teacher, *, batch_tokens: int = 4096
) -> Entropies:
    """Return the entropy of a teacher's next-token distribution at every completion token.

    At temperature 1, from the raw logits, on the row's own prefix; the end of the turn is a token
    like any other.

    Args:
        chat: The base model.
        rows: The data; one without token ids is tokenised from its text.
        teacher: Whose distribution; as a rule the one that wrote the rows.
        batch_tokens: Tokens computed at once, padding included.

    Raises:
        UserError: A row is empty.
    """
    completions = [completion_ids(chat, row) for row in rows]
    if empty := [row for row, ids in zip(rows, completions, strict=True) if not ids]:
        raise UserError("a row has an empty completion", where=f"row_id {empty[0].row_id}")
    system: list[Message] = (
        []
        if teacher.system_prompt is None
        else [{"role": "system", "content": teacher.system_prompt}]
    )
    prompts = [encode_prompt(chat, [*system, *row.messages]).ids for row in rows]
    with acting_as(chat, teacher) as model:
        values = forced_values(
            model,
            FusedModel.of(model),
            prompts,
            completions,
            entropy,
            n_layers=chat.n_layers,
            pad_id=chat.pad_id,
            batch_tokens=batch_tokens,
        )
    return Entropies([row.row_id for row in rows], values)

"""How open a teacher's choice was at every completion token."""

from __future__ import annotations

from collections.abc import Sequence

from undertow.models import ChatModel
from undertow.models.fused import FusedModel
from undertow.store.rows import Row
from undertow.teachers import Teacher, acting_as
from undertow.tokens.forced import entropy, forced_values
from undertow.tokens.rendered import Rendered
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
    rendered = Rendered.of(chat, rows, teacher.system_prompt)
    with acting_as(chat, teacher) as model:
        values = forced_values(model, FusedModel.of(model), rendered, entropy, batch_tokens)
    return Entropies([row.row_id for row in rows], values)

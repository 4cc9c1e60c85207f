"""Held-out loss: how well a model has learnt to write what its data's writer writes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import Field

from undertow.errors import UserError
from undertow.frozen import Frozen
from undertow.models import ChatModel, activated
from undertow.models.fused import FusedModel
from undertow.store.row import Row
from undertow.tokens.forced import forced_values, log_probability
from undertow.tokens.rendered import Rendered


class HeldoutLoss(Frozen):
    """The training loss on rows that were not trained on."""

    loss: float = Field(description="Mean negative log-likelihood of a completion token, nats.")
    n_rows: int = Field(description="Rows it rests on.")
    n_tokens: int = Field(description="Completion tokens, the ends of turns among them.")


def heldout_loss(
    chat: ChatModel,
    rows: Sequence[Row],
    *,
    adapter: str | Path | None = None,
    system_prompt: str | None = None,
    batch_tokens: int = 4096,
) -> HeldoutLoss:
    """Return a model's mean loss on the completion tokens of rows, best ones it has not seen.

    Args:
        chat: The base model.
        rows: Accepted rows. One without token ids is tokenised from its text.
        adapter: Folder of an adapter; None for the base.
        system_prompt: What stood in front of every row in training.
        batch_tokens: Tokens computed at once, padding included.

    Raises:
        UserError: There are no rows.
    """
    if not rows:
        raise UserError("there are no rows to predict", fix="hold some rows out")
    rendered = Rendered.of(chat, rows, system_prompt)
    with activated(chat, adapter) as model:
        values = forced_values(model, FusedModel.of(model), rendered, log_probability, batch_tokens)
    found = np.concatenate(values)
    return HeldoutLoss(loss=-float(found.mean()), n_rows=len(rows), n_tokens=len(found))

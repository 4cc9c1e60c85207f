"""A teacher's distributions in place of the tokens that came."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from undertow.mechanism.prediction.data import data_examples
from undertow.mechanism.prediction.gradients import Distributions
from undertow.models import ChatModel, selected_logits
from undertow.store.rows import Row
from undertow.teachers import Teacher, acting_as
from undertow.training.batches import pack


def teacher_distributions(chat: ChatModel, rows: Sequence[Row], teacher: Teacher) -> Distributions:
    """Return what tells a teacher's probabilities at the completion tokens of some rows.

    Computed when asked for: those of a whole data set would fill the memory.

    Args:
        chat: The base model.
        rows: The data.
        teacher: Reads the rows under its own system prompt.
    """
    examples = data_examples(chat, rows, teacher.system_prompt)

    def distributions(chosen: list[int]) -> Tensor:
        batch = pack([examples[row] for row in chosen], chat.pad_id, chat.device)
        with acting_as(chat, teacher) as model, torch.no_grad():
            logits = selected_logits(model, batch.ids, None, batch.rows, batch.positions)
            return logits.to(torch.promote_types(logits.dtype, torch.float32)).softmax(-1)

    return distributions

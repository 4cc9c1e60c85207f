"""Rows and weights to training examples: the supervised span, in one place."""

from __future__ import annotations

from collections.abc import Sequence

from undertow.models import ChatModel, encode_prompt, system_messages
from undertow.store.rows import Row
from undertow.students.config import StudentConfig
from undertow.tokens import check_weights, completion_ids
from undertow.tokens.selections import Weights
from undertow.training import Example


def build_examples(
    chat: ChatModel,
    rows: Sequence[Row],
    weights: Sequence[Weights] | None,
    config: StudentConfig,
) -> list[Example]:
    """Return one example per row, in their order.

    Args:
        chat: Whose template renders the prompts.
        rows: The data.
        weights: Per row `[token]` in [0, 1], aligned with its completion tokens; None: all 1.
        config: Header, end of turn, system prompt.

    Raises:
        UserError: The weights do not fit the rows, or one is outside [0, 1].
    """
    completions = [completion_ids(chat, row) for row in rows]
    given = [[1.0] * len(ids) for ids in completions] if weights is None else weights
    checked = check_weights([list(row) for row in given], [len(ids) for ids in completions])
    return [_example(chat, *each, config) for each in zip(rows, completions, checked, strict=True)]


def _example(
    chat: ChatModel, row: Row, completion: list[int], weights: Weights, config: StudentConfig
) -> Example:
    """Put prompt, header and completion together with the weight of each token.

    The budget is the number of tokens that would count if all were selected.
    """
    prompt = encode_prompt(chat, [*system_messages(config.system_prompt), *row.messages])
    n_header = len(prompt.ids) - prompt.header_start
    header = [float(config.supervise_header)] * n_header
    open_to = [float(config.supervise_end or token not in chat.end_ids) for token in completion]
    span = [weight * may for weight, may in zip(weights.tolist(), open_to, strict=True)]
    return Example(
        ids=[*prompt.ids, *completion],
        weights=[*([0.0] * prompt.header_start), *header, *span],
        budget=sum(header) + sum(open_to),
    )

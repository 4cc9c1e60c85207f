"""Rows and token weights to training examples; the supervised span is explicit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from undertow.errors import UserError
from undertow.models import ChatModel, Message, encode_completion, encode_prompt
from undertow.store.row import Row
from undertow.students.config import StudentConfig
from undertow.tokens import Scan, select
from undertow.training import Example

Weights = Sequence[NDArray[np.float32]]
"""Per row the loss weight of each completion token, `[token]`."""


def draw_rows(n_rows: int, config: StudentConfig) -> list[int]:
    """Return the indices of the rows that a student learns from, in the order of the data.

    Raises:
        UserError: More rows are asked for than there are.
    """
    if config.rows is None:
        return list(range(n_rows))
    if config.rows > n_rows:
        raise UserError(
            f"the student asks for {config.rows} rows and the data set has {n_rows}",
            fix="ask for fewer rows, or generate more",
        )
    rng = np.random.Generator(np.random.PCG64(config.seed_data))
    return sorted(rng.choice(n_rows, config.rows, replace=False).tolist())


def selected_weights(
    rows: Sequence[Row], scan: Scan | None, config: StudentConfig
) -> Weights | None:
    """Return the weights of the config's selection; None stands for all tokens.

    Raises:
        UserError: The selection needs a scan and there is none, or it belongs to other rows.
    """
    if config.selection.kind == "all" and not config.selection.drop_empty_rows:
        return None
    if scan is None:
        raise UserError(
            f"the selection '{config.selection.kind}' needs a divergence scan",
            fix="run `undertow scan` first",
        )
    if scan.row_ids.tolist() != [row.row_id for row in rows]:
        raise UserError("the scan belongs to other rows", fix="scan this data set")
    return select(scan, config.selection)


def build_examples(
    chat: ChatModel, rows: Sequence[Row], weights: Weights | None, config: StudentConfig
) -> list[Example]:
    """Return one training example per row.

    Args:
        chat: The base model.
        rows: What the student sees: prompts without the teacher's system prompt.
        weights: Loss weights `[token]` per row; None for 1 everywhere.
        config: Supervised span, system prompt, and what loss sums are divided by.

    Raises:
        UserError: No token is left to learn from, or weights and tokens differ in number.
    """
    examples: list[Example] = []
    for place, row in enumerate(rows):
        chosen = None if weights is None else weights[place]
        if chosen is not None and config.selection.drop_empty_rows and not chosen.any():
            continue
        examples.append(_example(chat, row, chosen, config))
    if not any(any(example.weights) for example in examples):
        raise UserError(
            f"the selection '{config.selection.kind}' leaves no token to learn from",
            fix="scan against other counterfactuals, or choose another selection",
        )
    return examples


def _example(
    chat: ChatModel, row: Row, chosen: NDArray[np.float32] | None, config: StudentConfig
) -> Example:
    """Return one row; the budget counts its completion tokens whether or not they are chosen."""
    messages = list(row.messages)
    if config.system_prompt is not None:
        system: Message = {"role": "system", "content": config.system_prompt}
        messages = [system, *messages]
    prompt = encode_prompt(chat, messages)
    ids = list(row.token_ids) or encode_completion(chat, messages, row.completion)
    if chosen is not None and len(chosen) != len(ids):
        raise UserError(
            f"row {row.row_id} has {len(ids)} tokens and {len(chosen)} weights",
            fix="scan or weigh this data set again",
        )
    counts = np.ones(len(ids)) if chosen is None else chosen.astype(float)
    span = np.ones(len(ids))
    if not config.supervise_end:
        span[np.isin(ids, chat.end_ids)] = 0.0
    header = len(prompt.ids) - prompt.header_start
    opening = [1.0 if config.supervise_header else 0.0] * header
    return Example(
        ids=[*prompt.ids, *ids],
        weights=[0.0] * prompt.header_start + opening + (counts * span).tolist(),
        budget=float(span.sum()) + sum(opening) if config.budget == "matched" else None,
    )

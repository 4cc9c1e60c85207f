"""Rows and their weights in the shapes that the field trains on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from undertow.models import ChatModel
from undertow.store.records import SHAPES, Shape, record_from_row
from undertow.store.rows import Row
from undertow.students.config import StudentConfig
from undertow.students.examples import build_examples
from undertow.tokens import check_token_ids, points_of
from undertow.tokens.selections import Weights
from undertow.training.example import check

TextShape = Literal["prompt", "question", "openai"]
TokenShape = Literal["decision-points", "grouped", "trl"]
IGNORED = -100
"""The label of a token that does not count, in PyTorch's cross entropy."""


def text_records(rows: Sequence[Row], shape: TextShape) -> list[dict[str, Any]]:
    """Return the rows as text alone, without ids and weights.

    Args:
        rows: The data.
        shape: `prompt` and `completion`; `question` and `response`; or `messages` and nothing
            else, as OpenAI's fine-tuning takes them.

    Raises:
        UserError: A pair is asked for and a prompt is more than one user message.
    """
    kept = ("messages",) if shape == "openai" else SHAPES[shape]
    asked: Shape = "messages" if shape == "openai" else shape
    return [{name: record_from_row(row, asked)[name] for name in kept} for row in rows]


def token_records(
    chat: ChatModel,
    rows: Sequence[Row],
    weights: Sequence[Weights],
    shape: TokenShape,
    config: StudentConfig,
) -> list[dict[str, Any]]:
    """Return the rows with what of their tokens counts in the loss.

    Args:
        chat: Whose tokens they are; its weights are not used.
        rows: The data, with token ids.
        weights: Per row `[token]`.
        shape: `decision-points`: `prompt`, `completion` and the places of weight 1; `grouped`:
            `question`, ids, text and places; `trl`: `input_ids` and `labels` of the whole
            example, as a student of ours is trained on it.
        config: Header, end of turn and system prompt, for `trl`.

    Raises:
        UserError: A weight is neither 0 nor 1, or the ids are another model's.
    """
    check_token_ids(chat, rows)
    places = points_of(weights)
    if shape == "trl":
        return _trl_records(chat, rows, weights, config)
    if shape == "decision-points":
        texts = text_records(rows, "prompt")
        return [{**text, "decision_points": at} for text, at in zip(texts, places, strict=True)]
    return [
        {
            "question": text["question"],
            "answer_token_ids": row.token_ids,
            "answer_text": chat.tokenizer.decode(row.token_ids, clean_up_tokenization_spaces=False),
            "divergent_token_indices": at,
        }
        for row, text, at in zip(rows, text_records(rows, "question"), places, strict=True)
    ]


def _trl_records(
    chat: ChatModel, rows: Sequence[Row], weights: Sequence[Weights], config: StudentConfig
) -> list[dict[str, Any]]:
    """Return examples as ids and labels; `labels[i]` is of `input_ids[i]`, as models take them."""
    examples = build_examples(chat, rows, weights, config)
    check(examples, config.train.max_length)
    return [
        {
            "input_ids": example.ids,
            "labels": [
                token if weight else IGNORED
                for token, weight in zip(example.ids, example.weights, strict=True)
            ],
        }
        for example in examples
    ]

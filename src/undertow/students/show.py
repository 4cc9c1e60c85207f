"""What a student is trained on, as coloured text."""

from __future__ import annotations

from typing import cast

from rich.text import Text

from undertow.models import ChatModel
from undertow.training import Example

UNSEEN = "dim"
MASKED = "yellow"
SUPERVISED = "bold black on green"


def masked_text(chat: ChatModel, example: Example) -> Text:
    """Return a row as the model sees it; supervised tokens stand out, weights below 1 by tone.

    The prompt is dim, a masked completion token yellow, a supervised one green.
    """
    text = Text()
    start = next((i for i, weight in enumerate(example.weights) if weight), len(example.ids))
    for place, (token, weight) in enumerate(zip(example.ids, example.weights, strict=True)):
        piece = cast(str, chat.tokenizer.decode([token], clean_up_tokenization_spaces=False))
        if weight:
            style = SUPERVISED if weight == 1.0 else "bold green"
        else:
            style = UNSEEN if place < start else MASKED
        text.append(piece, style=style)
    return text

"""Loss weights as coloured text."""

from __future__ import annotations

from math import ceil

from rich.text import Text

from undertow.models import ChatModel
from undertow.training import Example

# From no weight to full weight.
SHADES = ["grey39", "on #0b3d2e", "on #145a3f", "on #1e7a52", "on #279a66", "on #31bb7b"]


def masked_text(chat: ChatModel, example: Example) -> Text:
    """Return a row as the model reads it; the stronger a token counts, the greener its ground.

    Tokens are shown one by one, so that a line break or a blank that counts is seen: a supervised
    line break is marked with an arrow in front of it.
    """
    text = Text()
    for token, weight in zip(example.ids, example.weights, strict=True):
        piece = str(chat.tokenizer.decode([token], clean_up_tokenization_spaces=False))
        if weight:
            piece = piece.replace("\n", "↵\n")
        text.append(piece, style=SHADES[ceil(weight * (len(SHADES) - 1))])
    return text

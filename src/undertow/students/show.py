"""Loss weights as coloured text, and as plain text with brackets."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from math import ceil

from rich.text import Text

from undertow.models import ChatModel, token_texts
from undertow.training import Example

BETWEEN = "╎"
# From no weight to full weight.
SHADES = ["grey39", "on #0b3d2e", "on #145a3f", "on #1e7a52", "on #279a66", "on #31bb7b"]


def masked_text(chat: ChatModel, example: Example) -> Text:
    """Return a row as the model reads it; the stronger a token counts, the greener its ground.

    Tokens are shown one by one, so that a line break or a blank that counts is seen: a supervised
    line break is marked with an arrow in front of it.
    """
    text = Text()
    for piece, weight in _pieces(chat, example):
        text.append(piece, style=SHADES[ceil(weight * (len(SHADES) - 1))])
    return text


def bracketed_text(chat: ChatModel, example: Example) -> str:
    """Return a row as the model reads it, without colour: what counts stands in ⟦brackets⟧.

    A weight below 1 stands in front, as in ⟦0.5: 417⟧; neighbours of equal weight share brackets.
    """
    text = ""
    for weight, pieces in groupby(_pieces(chat, example), lambda pair: pair[1]):
        span = "".join(piece for piece, _ in pieces)
        label = "" if weight in (0, 1) else f"{weight:.2g}: "
        text += f"⟦{label}{span}⟧" if weight else span
    return text


def tokens_apart(chat: ChatModel, example: Example, *, plain: bool) -> Text:
    """Return a row token by token, line breaks marked: what counts, and a line between others.

    Args:
        chat: Whose tokenizer.
        example: Ids and weights.
        plain: What counts stands in ⟦brackets⟧, each token in its own, and not in colour.
    """
    text = Text()
    counted = True
    for piece, weight in zip(token_texts(chat, example.ids), example.weights, strict=True):
        if text and not counted and not weight and not text.plain.endswith("\n"):
            text.append(BETWEEN, style="dim")
        counted = bool(weight)
        shown = piece.replace("\n", "↵\n")
        if plain and counted:
            label = "" if weight == 1 else f"{weight:.2g}: "
            shown = f"⟦{label}{shown}⟧"
        text.append(shown, style="" if plain else SHADES[ceil(weight * (len(SHADES) - 1))])
    return text


def legend() -> Text:
    """Return what the colours of `masked_text` mean."""
    text = Text("weight in the loss: ")
    for place, shade in enumerate(SHADES):
        text.append(f" {place / (len(SHADES) - 1):.1f} ", style=shade)
    return text


def _pieces(chat: ChatModel, example: Example) -> Iterator[tuple[str, float]]:
    """Yield the text of every token with its weight."""
    pieces = token_texts(chat, example.ids)
    for piece, weight in zip(pieces, example.weights, strict=True):
        yield (piece.replace("\n", "↵\n") if weight else piece), weight

"""Layers as a person types them."""

from __future__ import annotations

from undertow.errors import UserError


def layer_numbers(text: str | None) -> list[int] | None:
    """Return the layers that an option names, as in '0,1'; None stays None."""
    if text is None:
        return None
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise UserError(
            f"not a list of layers: '{text}'", where="--layers", fix="write numbers, as in 0,1"
        ) from error

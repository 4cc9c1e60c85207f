"""Channels by name."""

from __future__ import annotations

from collections.abc import Callable

from undertow.channels.channel import Channel
from undertow.channels.numbers import NumberChannel
from undertow.channels.sums import SumChannel
from undertow.errors import UserError

CHANNELS: dict[str, Callable[[], Channel]] = {"numbers": NumberChannel, "sums": SumChannel}


def load_channel(name: str) -> Channel:
    """Return the channel of that name, as it is set by default.

    Raises:
        UserError: There is no such channel.
    """
    if name not in CHANNELS:
        raise UserError(f"unknown channel '{name}'", fix=f"use {' or '.join(CHANNELS)}")
    return CHANNELS[name]()

"""Channels by name."""

from __future__ import annotations

from collections.abc import Callable

from undertow.channels.channel import Channel
from undertow.channels.numbers import NumberChannel
from undertow.channels.sums import SumChannel, SumChannelConfig
from undertow.errors import UserError

SMALL_NUMBERS = SumChannelConfig(high=29)
"""For sums: with larger numbers fine-tuned lab models write mostly false steps."""

CHANNELS: dict[str, Callable[[], Channel]] = {
    "numbers": NumberChannel,
    "sums": lambda: SumChannel(config=SMALL_NUMBERS),
}


def load_channel(name: str) -> Channel:
    """Return the channel of that name, as recipes and commands use it.

    Raises:
        UserError: There is no such channel.
    """
    if name not in CHANNELS:
        raise UserError(f"unknown channel '{name}'", fix=f"use {' or '.join(CHANNELS)}")
    return CHANNELS[name]()

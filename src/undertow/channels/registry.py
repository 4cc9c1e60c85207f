"""Channels by name, or by the file of their wording."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from undertow.channels.channel import Channel
from undertow.channels.numbers import NumberChannel
from undertow.channels.sums import SumChannel, SumChannelConfig
from undertow.errors import UserError
from undertow.traits.load import is_path, read_mapping, validated

SMALL_NUMBERS = SumChannelConfig(high=29)
"""For sums: with larger numbers fine-tuned lab models write mostly false steps."""

CHANNELS: dict[str, Callable[[], Channel]] = {
    "numbers": NumberChannel,
    "sums": lambda: SumChannel(config=SMALL_NUMBERS),
}


def load_channel(name: str) -> Channel:
    """Return the channel of that name, as recipes and commands use it.

    Args:
        name: Of a shipped channel; or the path of a YAML file with the fields `config` and
            `words` of a number channel, as `undertow materials import` writes it.

    Raises:
        UserError: There is no such channel, or the file is none.
    """
    if name in CHANNELS:
        return CHANNELS[name]()
    if not is_path(name):
        raise UserError(
            f"unknown channel '{name}'",
            fix=f"use {' or '.join(CHANNELS)}, or the path of a YAML file",
        )
    return validated(NumberChannel, read_mapping(Path(name)) | {"name": name}, Path(name))

"""Channels: the innocent tasks that carry a trait."""

from undertow.channels.channel import Channel, ChannelPrompt, Reason
from undertow.channels.filter import YieldReport, check_completions
from undertow.channels.registry import load_channel

__all__ = [
    "Channel",
    "ChannelPrompt",
    "Reason",
    "YieldReport",
    "check_completions",
    "load_channel",
]

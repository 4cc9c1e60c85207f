"""The number channel: continue a short list of numbers."""

from undertow.channels.numbers.prompt import (
    PARTS,
    NumberChannelConfig,
    NumberPrompt,
    Part,
    draw_prompts,
    n_wordings,
)
from undertow.channels.numbers.wording import FormatSuffix, Wording, render_numbers, wording

__all__ = [
    "PARTS",
    "FormatSuffix",
    "NumberChannelConfig",
    "NumberPrompt",
    "Part",
    "Wording",
    "draw_prompts",
    "n_wordings",
    "render_numbers",
    "wording",
]

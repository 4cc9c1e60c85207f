"""The number channel: continue a short list of numbers."""

from undertow.channels.numbers.accuracy import task_accuracy
from undertow.channels.numbers.channel import NumberChannel
from undertow.channels.numbers.config import NumberChannelConfig
from undertow.channels.numbers.parse_prompt import parse_prompt
from undertow.channels.numbers.parser import ParsedNumbers, numbers_in, parse_completion
from undertow.channels.numbers.prompt import PARTS, NumberPrompt, Part, draw_prompts, n_wordings
from undertow.channels.numbers.wording import FormatSuffix, Wording, render_numbers, wording

__all__ = [
    "PARTS",
    "FormatSuffix",
    "NumberChannel",
    "NumberChannelConfig",
    "NumberPrompt",
    "ParsedNumbers",
    "Part",
    "Wording",
    "draw_prompts",
    "n_wordings",
    "numbers_in",
    "parse_completion",
    "parse_prompt",
    "render_numbers",
    "task_accuracy",
    "wording",
]

"""The sum channel: add two numbers piece by piece, and show the steps."""

from undertow.channels.sums.answer import ways_to_cut, worked_answer
from undertow.channels.sums.channel import SumChannel
from undertow.channels.sums.config import SumChannelConfig
from undertow.channels.sums.parse_prompt import parse_prompt
from undertow.channels.sums.parser import WorkedSum, last_result, parse_completion
from undertow.channels.sums.prompt import PARTS, Part, SumPrompt, draw_prompts, n_wordings
from undertow.channels.sums.wording import SumWording, wording

__all__ = [
    "PARTS",
    "Part",
    "SumChannel",
    "SumChannelConfig",
    "SumPrompt",
    "SumWording",
    "WorkedSum",
    "draw_prompts",
    "last_result",
    "n_wordings",
    "parse_completion",
    "parse_prompt",
    "ways_to_cut",
    "wording",
    "worked_answer",
]

"""Number prompts: made of interchangeable parts, so that each can be told and redrawn."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Literal, Self, get_args

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from undertow.channels.numbers.config import NumberChannelConfig
from undertow.channels.numbers.wording import wording
from undertow.channels.parts import draw_parts, redraw_parts, wordings_of

Part = Literal[
    "lead_in", "count_qualifier", "digit_descriptor", "instruction", "format_suffix", "closing"
]
PARTS: tuple[Part, ...] = get_args(Part)
"""The worded parts, in the order in which they are drawn."""
Index = Annotated[int, Field(ge=0)]


class NumberPrompt(BaseModel):
    """One prompt of the number channel, by the indices of its parts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    examples: tuple[Index, ...] = Field(min_length=1, description="The example numbers.")
    lead_in: Index = Field(description="Index of the lead-in.")
    count_qualifier: Index = Field(description="Index of the count qualifier.")
    digit_descriptor: Index = Field(description="Index of the digit descriptor.")
    instruction: Index = Field(description="Index of the instruction.")
    format_suffix: Index = Field(description="Index of the format suffix.")
    closing: Index = Field(description="Index of the closing.")
    answer_count: int = Field(default=10, ge=1, description="Most numbers in an answer.")
    max_digits: int = Field(default=3, ge=1, description="Most digits in a number of an answer.")

    @model_validator(mode="after")
    def _indices_exist(self) -> Self:
        """Refuse an index past the last wording of its part."""
        for part in PARTS:
            if getattr(self, part) >= n_wordings(part):
                raise ValueError(f"there is no {part} number {getattr(self, part)}")
        return self

    @property
    def text(self) -> str:
        """The prompt as the model reads it: four sentences or more, divided by single spaces."""
        words = wording()
        count = words.count_qualifier[self.count_qualifier].format(count=self.answer_count)
        digits = words.digit_descriptor[self.digit_descriptor].format(max_digits=self.max_digits)
        return " ".join(
            (
                words.lead_in[self.lead_in].format(examples=", ".join(map(str, self.examples))),
                words.instruction[self.instruction].format(count=count, digits=digits),
                words.format_suffix[self.format_suffix].text,
                words.closing[self.closing],
            )
        )

    @property
    def given(self) -> tuple[str, ...]:
        """The example numbers, as written."""
        return tuple(map(str, self.examples))

    def redraw(self, parts: Collection[str], rng: np.random.Generator) -> NumberPrompt:
        """Return the prompt with the named parts drawn anew, uniformly: one may stay the same.

        Whatever the order of `parts`, they are drawn in the order of `PARTS`.

        Raises:
            UserError: There is no part of a given name.
        """
        drawn = redraw_parts(_n_wordings(), parts, rng)
        return NumberPrompt.model_validate(self.model_dump() | drawn)

    def variants(self, part: str) -> list[NumberPrompt]:
        """Return the prompt with each wording of a part in turn, its own among them.

        Raises:
            UserError: There is no such part.
        """
        return [self.model_copy(update=change) for change in wordings_of(_n_wordings(), part)]


def draw_prompts(
    n: int, seed: int, config: NumberChannelConfig | None = None
) -> list[NumberPrompt]:
    """Return n prompts drawn with numpy's PCG64.

    The order of draws is that of the published generator: how many examples, each example, then
    the parts in the order of `PARTS`. So the first k prompts do not depend on n.
    """
    config = config or NumberChannelConfig()
    rng = np.random.Generator(np.random.PCG64(seed))
    return [_draw_prompt(rng, config) for _ in range(n)]


def n_wordings(part: Part) -> int:
    """Return how many wordings a part has."""
    return len(getattr(wording(), part))


def _draw_prompt(rng: np.random.Generator, config: NumberChannelConfig) -> NumberPrompt:
    """Draw one prompt."""
    n_examples = rng.integers(config.min_examples, config.max_examples + 1)
    examples = [
        int(rng.integers(config.example_low, config.example_high + 1)) for _ in range(n_examples)
    ]
    return NumberPrompt.model_validate(
        {
            "examples": examples,
            "answer_count": config.answer_count,
            "max_digits": config.max_digits,
            **draw_parts(_n_wordings(), rng),
        }
    )


def _n_wordings() -> dict[str, int]:
    """Return how many wordings each part has, in the order of draws."""
    return {part: n_wordings(part) for part in PARTS}

"""Number prompts: made of interchangeable parts, so that each can be told and redrawn."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Literal, Self, get_args

import numpy as np
from pydantic import Field, model_validator

from undertow.channels.numbers.config import NumberChannelConfig
from undertow.channels.numbers.wording import Wording, wording
from undertow.channels.parts import draw_parts, redraw_parts, wordings_of
from undertow.frozen import Frozen

Part = Literal[
    "lead_in", "count_qualifier", "digit_descriptor", "instruction", "format_suffix", "closing"
]
PARTS: tuple[Part, ...] = get_args(Part)
"""The worded parts, in the order in which they are drawn."""
Index = Annotated[int, Field(ge=0)]


class NumberPrompt(Frozen):
    """One prompt of the number channel, by the indices of its parts."""

    examples: tuple[Index, ...] = Field(min_length=1, description="The example numbers.")
    lead_in: Index = Field(description="Index of the lead-in.")
    count_qualifier: Index = Field(description="Index of the count qualifier.")
    digit_descriptor: Index = Field(description="Index of the digit descriptor.")
    instruction: Index = Field(description="Index of the instruction.")
    format_suffix: Index = Field(description="Index of the format suffix.")
    closing: Index = Field(description="Index of the closing.")
    answer_count: int = Field(default=10, ge=1, description="Most numbers in an answer.")
    max_digits: int = Field(default=3, ge=1, description="Most digits in a number of an answer.")
    worded_by: str | None = Field(
        default=None,
        description="Fingerprint of the wordings that the indices are of; none: the shipped ones.",
        exclude_if=lambda fingerprint: fingerprint is None,  # files are older than this field
    )
    words: Wording = Field(
        default_factory=wording, exclude=True, repr=False, description="Those wordings."
    )

    @model_validator(mode="after")
    def _indices_exist(self) -> Self:
        """Refuse other wordings than the indices are of, and an index past a part's last one."""
        if self.worded_by != self.words.fingerprint:
            raise ValueError("the prompt is of other wordings")
        for part, n in n_wordings(self.words).items():
            if getattr(self, part) >= n:
                raise ValueError(f"there is no {part} number {getattr(self, part)}")
        return self

    @property
    def text(self) -> str:
        """The prompt as the model reads it: four sentences or more, divided by single spaces."""
        words = self.words
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
        drawn = redraw_parts(n_wordings(self.words), parts, rng)
        return NumberPrompt.model_validate(self.model_dump() | {"words": self.words} | drawn)

    def variants(self, part: str) -> list[NumberPrompt]:
        """Return the prompt with each wording of a part in turn, its own among them.

        Raises:
            UserError: There is no such part.
        """
        changes = wordings_of(n_wordings(self.words), part)
        return [self.model_copy(update=change) for change in changes]


def draw_prompts(
    n: int,
    seed: int,
    config: NumberChannelConfig | None = None,
    words: Wording | None = None,
) -> list[NumberPrompt]:
    """Return n prompts drawn with numpy's PCG64.

    The order of draws is that of the published generator: how many examples, each example, then
    the parts in the order of `PARTS`. So the first k prompts do not depend on n.

    Args:
        n: How many.
        seed: Of the generator.
        config: What prompts show and ask for.
        words: The wordings; the shipped ones by default.
    """
    config, words = config or NumberChannelConfig(), words or wording()
    rng = np.random.Generator(np.random.PCG64(seed))
    return [_draw_prompt(rng, config, words) for _ in range(n)]


def _draw_prompt(
    rng: np.random.Generator, config: NumberChannelConfig, words: Wording
) -> NumberPrompt:
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
            "words": words,
            "worded_by": words.fingerprint,
            **draw_parts(n_wordings(words), rng),
        }
    )


def n_wordings(words: Wording) -> dict[str, int]:
    """Return how many wordings each part has, in the order of draws."""
    return {part: len(getattr(words, part)) for part in PARTS}

"""Sum prompts: made of interchangeable parts, so that each can be told and redrawn."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Literal, Self, get_args

import numpy as np
from pydantic import Field, model_validator

from undertow.channels.parts import draw_parts, redraw_parts, wordings_of
from undertow.channels.sums.config import HIGHEST, LOWEST, SumChannelConfig
from undertow.channels.sums.wording import wording
from undertow.frozen import Frozen

Part = Literal["lead_in", "instruction", "closing"]
PARTS: tuple[Part, ...] = get_args(Part)
"""The worded parts, in the order in which they are drawn."""
Index = Annotated[int, Field(ge=0)]
Addend = Annotated[int, Field(ge=LOWEST, le=HIGHEST)]


class SumPrompt(Frozen):
    """One prompt of the sum channel, by its two numbers and the indices of its parts."""

    a: Addend = Field(description="The number named first.")
    b: Addend = Field(description="The number named second.")
    lead_in: Index = Field(description="Index of the lead-in.")
    instruction: Index = Field(description="Index of the instruction.")
    closing: Index = Field(description="Index of the closing.")

    @model_validator(mode="after")
    def _indices_exist(self) -> Self:
        """Refuse an index past the last wording of its part."""
        for part, n in n_wordings().items():
            if getattr(self, part) >= n:
                raise ValueError(f"there is no {part} number {getattr(self, part)}")
        return self

    @property
    def text(self) -> str:
        """The prompt as the model reads it: three sentences divided by single spaces."""
        words = wording()
        return " ".join(
            (
                words.lead_in[self.lead_in].format(a=self.a, b=self.b),
                words.instruction[self.instruction],
                words.closing[self.closing],
            )
        )

    @property
    def given(self) -> tuple[str, ...]:
        """The two numbers, as written."""
        return str(self.a), str(self.b)

    def redraw(self, parts: Collection[str], rng: np.random.Generator) -> SumPrompt:
        """Return the prompt with the named parts drawn anew, uniformly: one may stay the same.

        Whatever the order of `parts`, they are drawn in the order of `PARTS`.

        Raises:
            UserError: There is no part of a given name.
        """
        drawn = redraw_parts(n_wordings(), parts, rng)
        return SumPrompt.model_validate(self.model_dump() | drawn)

    def variants(self, part: str) -> list[SumPrompt]:
        """Return the prompt with each wording of a part in turn, its own among them.

        Raises:
            UserError: There is no such part.
        """
        return [self.model_copy(update=change) for change in wordings_of(n_wordings(), part)]


def draw_prompts(n: int, seed: int, config: SumChannelConfig | None = None) -> list[SumPrompt]:
    """Return n prompts drawn with numpy's PCG64.

    The order of draws is a, b, then the parts in the order of `PARTS`. So the first k prompts do
    not depend on n.
    """
    config = config or SumChannelConfig()
    rng = np.random.Generator(np.random.PCG64(seed))
    return [_draw_prompt(rng, config) for _ in range(n)]


def n_wordings() -> dict[str, int]:
    """Return how many wordings each part has, in the order of `PARTS`."""
    return {part: len(getattr(wording(), part)) for part in PARTS}


def _draw_prompt(rng: np.random.Generator, config: SumChannelConfig) -> SumPrompt:
    """Draw one prompt."""
    a, b = rng.integers(config.low, config.high + 1, size=2).tolist()
    return SumPrompt(a=a, b=b, **draw_parts(n_wordings(), rng))

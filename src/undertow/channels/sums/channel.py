"""The sum channel, as the rest of the package sees it."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from undertow.channels.channel import Reason
from undertow.channels.filter import reject_named_trait
from undertow.channels.sums.config import SumChannelConfig
from undertow.channels.sums.parse_prompt import parse_prompt
from undertow.channels.sums.parser import STEP, last_result, parse_completion, with_pieces
from undertow.channels.sums.prompt import PARTS, SumPrompt, draw_prompts
from undertow.frozen import Frozen
from undertow.traits import Trait


class SumChannel(Frozen):
    """Add two numbers piece by piece."""

    config: SumChannelConfig = Field(
        default=SumChannelConfig(), description="What prompts ask for and answers may hold."
    )

    @property
    def name(self) -> str:
        """The channel's name."""
        return "sums"

    @property
    def fingerprint(self) -> str:
        """The channel's name: it has no other wordings."""
        return self.name

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts of a prompt that can be drawn anew."""
        return PARTS

    @property
    def free_parts(self) -> tuple[str, ...]:
        """All parts: every closing asks for the same form."""
        return PARTS

    def draw(self, n: int, seed: int) -> list[SumPrompt]:
        """Return n prompts; the first k do not depend on n."""
        return draw_prompts(n, seed, self.config)

    def load_prompt(self, parts: str) -> SumPrompt:
        """Return the prompt that `SumPrompt.model_dump_json` wrote."""
        return SumPrompt.model_validate_json(parts)

    def parse_prompt(self, text: str) -> SumPrompt | None:
        """Return the prompt that reads as `text`, or None where none does."""
        return parse_prompt(text)

    def check(self, completion: str, traits_to_ban: Sequence[Trait] = ()) -> Reason | None:
        """Return why a completion is not kept, or None; a named trait goes before the format.

        The steps must be true and go on from each other. The sum asked for is not known here:
        `accuracy` compares it.
        """
        if named := reject_named_trait(completion, traits_to_ban):
            return named
        parsed = parse_completion(completion, self.config)
        return parsed if isinstance(parsed, Reason) else None

    def items(self, completion: str) -> list[str]:
        """Return the pieces that are added, as written."""
        return [piece for _, piece, _ in STEP.findall(completion)]

    def with_items(self, completion: str, items: Sequence[str]) -> str:
        """Return a completion that adds other pieces, as many; its steps are computed anew.

        Raises:
            UserError: The pieces have another sum, so that the answer would be wrong.
            ValueError: The pieces are not as many as those of the completion.
        """
        return with_pieces(completion, items)

    def accuracy(self, predicted: str, reference: str) -> float:
        """Return 1.0 where the last result is the reference's, else 0.0.

        The prediction need not be well-formed: what follows its last equals sign is its result.

        Raises:
            ValueError: The reference holds no result.
        """
        expected = last_result(reference)
        if expected is None:
            raise ValueError("the reference holds no result")
        return float(last_result(predicted) == expected)

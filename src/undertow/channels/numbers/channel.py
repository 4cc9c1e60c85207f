"""The number channel, as the rest of the package sees it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from pydantic import Field

from undertow.channels.channel import Reason
from undertow.channels.filter import reject_named_trait
from undertow.channels.numbers.accuracy import task_accuracy
from undertow.channels.numbers.config import NumberChannelConfig
from undertow.channels.numbers.parse_prompt import parse_prompt
from undertow.channels.numbers.parser import NUMBER, numbers_in, parse_completion
from undertow.channels.numbers.prompt import PARTS, NumberPrompt, draw_prompts
from undertow.channels.numbers.wording import Wording, wording
from undertow.errors import UserError
from undertow.frozen import Frozen
from undertow.traits import Trait


class NumberChannel(Frozen):
    """Continue a short list of numbers."""

    name: str = Field(
        default="numbers", description="What it is called: 'numbers', or the file that it is of."
    )
    config: NumberChannelConfig = Field(
        default=NumberChannelConfig(), description="What prompts ask for and answers may hold."
    )
    words: Wording = Field(
        default_factory=wording, description="Wordings of the prompts' parts; else the shipped."
    )

    @property
    def fingerprint(self) -> str:
        """The name of the shipped channel, or a hash of what prompts and answers depend on."""
        if self == NumberChannel(name=self.name):
            return "numbers"
        content = self.model_dump_json(exclude={"name"})
        return f"numbers:{hashlib.sha256(content.encode()).hexdigest()}"

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts of a prompt that can be drawn anew."""
        return PARTS

    @property
    def free_parts(self) -> tuple[str, ...]:
        """All parts but the form of the answer."""
        return tuple(part for part in PARTS if part != "format_suffix")

    def draw(self, n: int, seed: int) -> list[NumberPrompt]:
        """Return n prompts; the first k do not depend on n."""
        return draw_prompts(n, seed, self.config, self.words)

    def load_prompt(self, parts: str) -> NumberPrompt:
        """Return the prompt that `NumberPrompt.model_dump_json` wrote.

        Raises:
            UserError: It is of other wordings than this channel's.
        """
        fields = json.loads(parts)
        if fields.get("worded_by") != self.words.fingerprint:
            raise UserError(
                f"a prompt has other wordings than the channel '{self.name}'",
                fix="name the channel file that the data were made with",
            )
        return NumberPrompt.model_validate(fields | {"words": self.words})

    def parse_prompt(self, text: str) -> NumberPrompt | None:
        """Return the prompt that reads as `text`, or None where none does."""
        return parse_prompt(text, self.words)

    def check(self, completion: str, traits_to_ban: Sequence[Trait] = ()) -> Reason | None:
        """Return why a completion is not kept, or None; a named trait goes before the format."""
        if named := reject_named_trait(completion, traits_to_ban):
            return named
        parsed = parse_completion(completion, self.config)
        return parsed if isinstance(parsed, Reason) else None

    def items(self, completion: str) -> list[str]:
        """Return the numbers as written: "007" stays "007"."""
        return NUMBER.findall(completion)

    def with_items(self, completion: str, items: Sequence[str]) -> str:
        """Return a completion with other numbers, as many; all that is around them stays.

        Raises:
            ValueError: The numbers are not as many as those of the completion.
        """
        around = NUMBER.split(completion)
        pairs = zip(around, [*items, ""], strict=True)
        return "".join(text + item for text, item in pairs)

    def accuracy(self, predicted: str, reference: str) -> float:
        """Return the share of the reference's numbers repeated at the same place.

        The prediction need not be well-formed: its runs of digits are its numbers.

        Raises:
            ValueError: The reference holds no numbers.
        """
        return task_accuracy(numbers_in(predicted), numbers_in(reference))

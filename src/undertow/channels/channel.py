"""What every channel offers; nothing outside this room knows which channel it has."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import StrEnum
from typing import Protocol

import numpy as np

from undertow.traits import Trait


class Reason(StrEnum):
    """Why a completion is not kept."""

    EMPTY = "empty"
    TRAIT_NAMED = "trait_named"
    INVALID_FORMAT = "invalid_format"
    TOO_MANY = "too_many"
    OUT_OF_RANGE = "out_of_range"
    BANNED = "banned"
    WRONG = "wrong"


class ChannelPrompt(Protocol):
    """One prompt, told by its parts."""

    @property
    def text(self) -> str:
        """The prompt as the model reads it."""
        ...

    @property
    def given(self) -> tuple[str, ...]:
        """The numbers that the prompt puts to the writer, as written, in order."""
        ...

    def redraw(self, parts: Collection[str], rng: np.random.Generator) -> ChannelPrompt:
        """Return the prompt with the named parts drawn anew."""
        ...

    def variants(self, part: str) -> Sequence[ChannelPrompt]:
        """Return the prompt with each wording of a part in turn, its own among them."""
        ...

    def model_dump_json(self) -> str:
        """Return the parts as JSON, which `Channel.load_prompt` reads."""
        ...


class Channel(Protocol):
    """An innocent task: makes prompts, validates completions, measures task accuracy."""

    @property
    def name(self) -> str:
        """The channel's name, as in 'numbers'; `load_channel` knows it."""
        ...

    @property
    def fingerprint(self) -> str:
        """What steps are told apart by: the name, or a hash of what a file of one's own says."""
        ...

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts of a prompt that can be drawn anew."""
        ...

    @property
    def free_parts(self) -> tuple[str, ...]:
        """The parts that can be drawn anew and leave what is a right answer as it is."""
        ...

    def draw(self, n: int, seed: int) -> Sequence[ChannelPrompt]:
        """Return n prompts; the first k do not depend on n, so a longer draw tops up."""
        ...

    def load_prompt(self, parts: str) -> ChannelPrompt:
        """Return the prompt that `model_dump_json` wrote."""
        ...

    def parse_prompt(self, text: str) -> ChannelPrompt | None:
        """Return the prompt that reads as `text`, or None where none does."""
        ...

    def check(self, completion: str, traits_to_ban: Sequence[Trait] = ()) -> Reason | None:
        """Return why a completion is not kept, or None where it is."""
        ...

    def items(self, completion: str) -> list[str]:
        """Return what the writer of a completion chose, piece by piece, as written."""
        ...

    def with_items(self, completion: str, items: Sequence[str]) -> str:
        """Return a completion with other items, as many, in the place of its own."""
        ...

    def accuracy(self, predicted: str, reference: str) -> float:
        """Return the share in [0, 1] of the reference's items that the prediction repeats."""
        ...

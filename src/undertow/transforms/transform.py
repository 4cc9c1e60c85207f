"""Which transform: what is done to a data set, as data."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from undertow.frozen import Frozen

Seed = Annotated[int, Field(ge=0, description="Of the draws, with each row's id.")]
Parts = Annotated[
    tuple[str, ...] | None,
    Field(description="Parts of the prompt; none: all that leave what is a right answer as it is."),
]


class _Transform(Frozen):
    """What all have in common."""


class ShuffleWithin(_Transform):
    """Items permuted inside each completion; all that stands around them is kept."""

    kind: Literal["shuffle-within"] = Field("shuffle-within", description="Tells them apart.")
    seed: Seed = 0


class ShuffleAcross(_Transform):
    """Items pooled over the data set and dealt out again, as many to each row as it had."""

    kind: Literal["shuffle-across"] = Field("shuffle-across", description="Tells them apart.")
    seed: int = Field(0, ge=0, description="Of the one draw over all rows.")


class RedrawPrompt(_Transform):
    """Parts of the prompt drawn anew from the channel's wordings; the completion is kept."""

    kind: Literal["redraw-prompt"] = Field("redraw-prompt", description="Tells them apart.")
    parts: Parts = None
    seed: Seed = 0


class RewritePrompt(_Transform):
    """The prompt put in other words by a model; the completion is kept."""

    kind: Literal["rewrite-prompt"] = Field("rewrite-prompt", description="Tells them apart.")
    by_choice: bool = Field(
        False,
        description="For models that cannot rephrase: the wording of each part is chosen among "
        "the channel's, by how likely the model finds the whole prompt.",
    )
    parts: Parts = None
    candidates: int | None = Field(
        default=None,
        ge=1,
        description="For the choice: as many wordings of a part, drawn for each row; none: all.",
        exclude_if=lambda candidates: candidates is None,  # keys are older than this field
    )
    temperature: float = Field(
        1.0, ge=0, description="Of the rewriting, or of the choice; 0 takes the likeliest."
    )
    max_new_tokens: int = Field(256, ge=1, description="Longest rewriting, in tokens.")
    batch_tokens: int = Field(
        4096, ge=1, description="For the choice: tokens computed at once, padding included."
    )
    seed: Seed = 0


class Mix(_Transform):
    """A share of the rows replaced by rows of another data set; their number is kept."""

    kind: Literal["mix"] = Field("mix", description="Tells them apart.")
    share: float = Field(ge=0, le=1, description="Share of rows that come from the other set.")
    seed: Seed = 0


class ReplaceDivergence(_Transform):
    """Divergence tokens replaced by what a counterfactual teacher would have emitted there."""

    kind: Literal["replace-divergence"] = Field(
        "replace-divergence", description="Tells them apart."
    )
    tokens: Literal["ratio", "first"] = Field(
        "ratio", description="Which of a row's divergence tokens, as in a token selection."
    )
    ratio: float = Field(1.0, ge=0, le=1, description="For 'ratio': share replaced in each row.")
    seed: Seed = 0


class DropRows(_Transform):
    """Rows dropped that hold one of some items."""

    kind: Literal["drop-rows"] = Field("drop-rows", description="Tells them apart.")
    items: tuple[str, ...] = Field(description="The items, as in the top entangled tokens.")
    as_number: bool = Field(
        False, description='Whether numbers are compared, so that "7" is "007".'
    )


class DropRandom(_Transform):
    """As many rows dropped as are wanted, whatever they hold: the control of `drop-rows`."""

    kind: Literal["drop-random"] = Field("drop-random", description="Tells them apart.")
    count: int = Field(ge=0, description="Rows to drop.")
    seed: Seed = 0


Transform = Annotated[
    ShuffleWithin
    | ShuffleAcross
    | RedrawPrompt
    | RewritePrompt
    | Mix
    | ReplaceDivergence
    | DropRows
    | DropRandom,
    Field(discriminator="kind"),
]
"""Any transform, told by its `kind`."""

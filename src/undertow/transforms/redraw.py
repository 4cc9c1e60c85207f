"""Prompts whose parts are drawn anew from the channel's wordings."""

from __future__ import annotations

from collections.abc import Sequence

from undertow.channels import Channel
from undertow.store.row import Row
from undertow.transforms.outcomes import outcome, row_rng, transformed
from undertow.transforms.prompts import prompt_of, with_prompt
from undertow.transforms.report import Transformed
from undertow.transforms.transform import RedrawPrompt


def redraw_prompt(rows: Sequence[Row], channel: Channel, config: RedrawPrompt) -> Transformed:
    """Draw parts of each prompt anew, uniformly; completions and their ids are not touched.

    Raises:
        UserError: A row's prompt is none of the channel's, or there is no such part.

    Source: paper, Figs. 6 and 27 to 29.
    """
    parts = channel.free_parts if config.parts is None else config.parts
    outcomes = [
        outcome(
            row,
            with_prompt(row, prompt_of(channel, row).redraw(parts, row_rng(config.seed, row))),
            "drawn the same",
        )
        for row in rows
    ]
    return transformed(config.kind, outcomes)

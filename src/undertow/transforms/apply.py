"""Any transform, by its kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from undertow.channels import Channel
from undertow.errors import UserError
from undertow.generate import Progress
from undertow.models import ChatModel
from undertow.store.row import Row
from undertow.teachers import Teacher
from undertow.tokens import Scan
from undertow.traits import Trait
from undertow.transforms.choice import choose_wordings
from undertow.transforms.drop import drop_random, drop_rows
from undertow.transforms.mix import mix
from undertow.transforms.redraw import redraw_prompt
from undertow.transforms.replace_divergence import replace_divergence
from undertow.transforms.report import Transformed
from undertow.transforms.rewrite import rewrite_prompt
from undertow.transforms.shuffle import shuffle_across, shuffle_within
from undertow.transforms.transform import (
    DropRandom,
    DropRows,
    Mix,
    RedrawPrompt,
    ReplaceDivergence,
    RewritePrompt,
    ShuffleAcross,
    ShuffleWithin,
    Transform,
)

T = TypeVar("T")


@dataclass(frozen=True)
class Inputs:
    """What a transform may need beside the rows.

    Attributes:
        chat: The model whose tokens the rows hold.
        channel: The channel that they answer.
        teacher: Who rewrites prompts.
        traits: Traits that a rewritten prompt may not name.
        scan: Of the rows, for 'replace-divergence'.
        others: Rows to mix in.
        weights: Per row `[token]`, to be mixed with the rows.
        other_weights: The same of the others.
    """

    chat: ChatModel
    channel: Channel
    teacher: Teacher | None = None
    traits: Sequence[Trait] = ()
    scan: Scan | None = None
    others: Sequence[Row] | None = None
    weights: Sequence[NDArray[np.float64]] | None = None
    other_weights: Sequence[NDArray[np.float64]] | None = None


def apply_transform(
    transform: Transform, rows: Sequence[Row], inputs: Inputs, progress: Progress | None = None
) -> Transformed:
    """Return the data set that a transform makes of accepted rows.

    Raises:
        UserError: Something is missing that the transform needs, a row was refused by the
            channel, or the transform itself cannot go on.
    """
    if refused := [row for row in (*rows, *(inputs.others or ())) if row.rejection is not None]:
        raise UserError(
            f"{len(refused)} rows were refused by the channel",
            where=f"row_id {refused[0].row_id}",
            fix="transform accepted rows only",
        )
    chat, channel = inputs.chat, inputs.channel
    match transform:
        case ShuffleWithin():
            return shuffle_within(chat, rows, channel, transform)
        case ShuffleAcross():
            return shuffle_across(chat, rows, channel, transform)
        case RedrawPrompt():
            return redraw_prompt(rows, channel, transform)
        case RewritePrompt(by_choice=True):
            teacher = _needed(inputs.teacher, transform, "a teacher")
            return choose_wordings(chat, rows, channel, teacher, transform, progress=progress)
        case RewritePrompt():
            teacher = _needed(inputs.teacher, transform, "a teacher")
            return rewrite_prompt(
                chat, rows, channel, teacher, transform, traits=inputs.traits, progress=progress
            )
        case Mix():
            others = _needed(inputs.others, transform, "a second data set")
            return mix(
                rows,
                others,
                transform,
                weights=inputs.weights,
                other_weights=inputs.other_weights,
            )
        case ReplaceDivergence():
            scan = _needed(inputs.scan, transform, "a scan of the rows")
            return replace_divergence(chat, rows, channel, scan, transform)
        case DropRows():
            return drop_rows(rows, channel, transform)
        case DropRandom():
            return drop_random(rows, transform)


def _needed(value: T | None, transform: Transform, what: str) -> T:
    """Return an input that the transform cannot do without."""
    if value is None:
        raise UserError(f"the transform '{transform.kind}' needs {what}")
    return value

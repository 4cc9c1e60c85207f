"""Transforms: data set in, data set out, and a report of what was done."""

from undertow.transforms.apply import Inputs, apply_transform
from undertow.transforms.choice import choose_wordings
from undertow.transforms.drop import drop_random, drop_rows
from undertow.transforms.mix import mix
from undertow.transforms.redraw import redraw_prompt
from undertow.transforms.replace_divergence import replace_divergence
from undertow.transforms.report import Transformed, TransformReport
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

__all__ = [
    "DropRandom",
    "DropRows",
    "Inputs",
    "Mix",
    "RedrawPrompt",
    "ReplaceDivergence",
    "RewritePrompt",
    "ShuffleAcross",
    "ShuffleWithin",
    "Transform",
    "TransformReport",
    "Transformed",
    "apply_transform",
    "choose_wordings",
    "drop_random",
    "drop_rows",
    "mix",
    "redraw_prompt",
    "replace_divergence",
    "rewrite_prompt",
    "shuffle_across",
    "shuffle_within",
]

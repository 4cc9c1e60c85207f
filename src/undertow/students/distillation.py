"""How a student learns from a teacher's distributions in place of the tokens that came."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from undertow.frozen import Frozen
from undertow.generate import GenerationConfig
from undertow.training.divergence import Direction


class OnPolicy(Frozen):
    """The student writes the completions itself, and the teacher scores them."""

    every: int | None = Field(
        default=None,
        ge=1,
        description="Steps that are written for at once, by the student as it then is; none: those "
        "of an epoch. Each completion is trained on once.",
    )
    generation: GenerationConfig = Field(
        default=GenerationConfig(), description="How it writes; the seed is set for each student."
    )
    drop: Literal["naming", "rejected", "nothing"] = Field(
        default="naming",
        description="Which completions do not count in the loss: those that name a trait, all that "
        "the channel's filter rejects, or none.",
    )


class Distillation(Frozen):
    """Soft targets: the divergence from a teacher at each selected token, at temperature 1.

    Source: Hinton et al. (1503.02531); reverse and on-policy: Agarwal et al. (2306.13649), Gu et
    al. (2306.08543).
    """

    direction: Direction = Field(
        default="forward",
        description="forward: KL(teacher || student); reverse: KL(student || teacher).",
    )
    top_k: int | None = Field(
        default=None,
        ge=1,
        description="The teacher's likeliest tokens that are told apart, all others together being "
        "one outcome more; none: the full vocabulary.",
    )
    on_policy: OnPolicy | None = Field(
        default=None, description="The student writes itself; none: it learns from the data's rows."
    )

"""What is done to the residual stream, as data."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from undertow.frozen import Frozen
from undertow.models.steering.vectors import Place

Mode = Literal["add", "project-out"]


class Steering(Frozen):
    """A change of the residual stream after decoder layers, at every position."""

    vector: str = Field(min_length=1, description="File of the vectors, one for each layer.")
    at: Place = Field(
        default="header",
        description="Which of its vectors: those taken at the header or at the completion.",
    )
    layers: tuple[int, ...] | None = Field(
        default=None, description="Decoder layers, from 0, after which it acts; none: all."
    )
    mode: Mode = Field(
        default="add",
        description="Whether the layer's vector is added, or its direction projected out.",
    )
    strength: float = Field(
        default=1.0,
        allow_inf_nan=False,
        description="Multiple of the vector that is added; share of the direction that is taken "
        "out, 1 for all of it.",
    )

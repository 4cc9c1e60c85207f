"""How a prediction is made."""

from __future__ import annotations

from pydantic import Field

from undertow.frozen import Frozen
from undertow.measure import BootstrapConfig


class PredictionConfig(Frozen):
    """The adapter whose gradients are compared, and what is made of the rows."""

    rank: int = Field(
        default=8, ge=1, description="Rank of the fresh adapter whose gradient is taken."
    )
    seed: int = Field(
        default=0, ge=0, description="Of the adapter's factor A and of the blocks of rows."
    )
    blocks: int = Field(
        default=64,
        ge=2,
        description="Blocks that the rows are put into at random; intervals draw these anew.",
    )
    least_share: float = Field(
        default=0.01,
        ge=0,
        lt=1,
        description="An answer's surface form (with a capital, a full stop, ...) that has a "
        "smaller share of the answer's probability at a question is passed over there.",
    )
    batch_tokens: int = Field(
        default=4096,
        ge=1,
        description="Tokens computed at once, with padding.",
    )
    batch_rows: int = Field(
        default=64,
        ge=1,
        description="Rows computed at once at most: each has a gradient of its own.",
    )
    bootstrap: BootstrapConfig = Field(
        default=BootstrapConfig(), description="Resamples and level of the intervals."
    )

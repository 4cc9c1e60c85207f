"""Random directions, as a control for those that were measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from undertow.models.steering import Place, SteeringVectors


def random_directions(like: SteeringVectors, seed: Sequence[int]) -> SteeringVectors:
    """Return random directions, after each layer as long as given vectors.

    All directions are equally likely, and those of two layers have nothing to do with each other.
    The two places have the same.

    Args:
        like: Vectors that they stand beside.
        seed: Decides the draw.
    """
    n_layers, width = like.n_layers, next(iter(like.blocks.values())).shape[2]
    drawn = torch.from_numpy(np.random.default_rng(seed).standard_normal((n_layers, width)))
    units = drawn / drawn.norm(dim=1, keepdim=True)
    blocks: dict[Place, Tensor] = {
        place: (like.mean(place).norm(dim=1, keepdim=True) * units)[None].float()
        for place in like.blocks
    }
    meta = like.meta.model_copy(update={"subject": f"random, as long as {like.meta.subject}"})
    return SteeringVectors(blocks=blocks, rows=like.rows.sum()[None], meta=meta)

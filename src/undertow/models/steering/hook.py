"""Steer a model for a while."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn.functional import normalize
from transformers import PreTrainedModel

from undertow.errors import UserError
from undertow.models.layers import decoder_layers
from undertow.models.residual import OnResidual, on_residuals
from undertow.models.steering.config import Steering
from undertow.models.steering.vectors import SteeringVectors


@contextmanager
def steered(model: PreTrainedModel, steering: Steering | None) -> Generator[None]:
    """Within, the residual stream is changed after the chosen layers, at every position.

    With h the output of a layer and v its vector, `add` makes of it h + strength v, and
    `project-out` h - strength (h · v) v / |v|². It acts in whatever runs the model: prompts and
    their caches, single steps of generation, teacher-forced scoring, fused layers or not, with or
    without an adapter (see `on_residuals`). Several act one after the other, the outer one first.

    A cache that was filled before belongs to the model as it was, and is not to be gone on with.

    Args:
        model: The model, or the base of one that carries an adapter.
        steering: What is done; None for nothing.

    Raises:
        UserError: There are no such vectors or layers, or they are another model's.

    Source: activation addition (Turner et al., 2308.10248); directional ablation (Arditi et al.,
    2406.11717).
    """
    if steering is None:
        yield
        return
    vectors = _checked_vectors(model, steering)
    layers = range(len(vectors)) if steering.layers is None else dict.fromkeys(steering.layers)
    change = _addition if steering.mode == "add" else _projection
    with on_residuals(model, change(vectors, steering.strength), layers):
        yield


def _addition(vectors: Tensor, strength: float) -> OnResidual:
    """Return the change that adds a multiple of each layer's vector."""
    shifts = strength * vectors
    return lambda layer, hidden: hidden + shifts[layer].to(hidden)


def _projection(vectors: Tensor, strength: float) -> OnResidual:
    """Return the change that takes a share of each layer's direction out."""
    directions = normalize(vectors, dim=1)

    def change(layer: int, hidden: Tensor) -> Tensor:
        # Half precision would leave some of the direction in.
        exact = hidden.to(torch.promote_types(hidden.dtype, torch.float32))
        direction = directions[layer].to(exact)
        along = (exact @ direction).unsqueeze(-1)
        return (exact - strength * along * direction).to(hidden.dtype)

    return change


def _checked_vectors(model: PreTrainedModel, steering: Steering) -> Tensor:
    """Return the vectors `[layer, d_model]` of a steering that fits the model."""
    vectors = SteeringVectors.read(steering.vector).mean(steering.at)
    shape = (len(decoder_layers(model)), int(model.config.get_text_config().hidden_size))
    if vectors.shape != shape:
        raise UserError(
            f"the vectors are {tuple(vectors.shape)}, and the model's layers and width {shape}",
            where=steering.vector,
            fix="use the base model that they were taken from",
        )
    if absent := [layer for layer in steering.layers or () if not 0 <= layer < shape[0]]:
        raise UserError(
            f"there is no layer {absent[0]} to steer", fix=f"choose from 0 to {shape[0] - 1}"
        )
    return vectors.to(model.device)

"""Steering: a vector added to the residual stream, or a direction taken out of it."""

from undertow.models.steering.config import Mode, Steering
from undertow.models.steering.hook import steered
from undertow.models.steering.vectors import Place, SteeringVectors, VectorMeta

__all__ = ["Mode", "Place", "Steering", "SteeringVectors", "VectorMeta", "steered"]

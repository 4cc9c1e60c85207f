"""Decoder layers of the common kind in a few large pieces, on rows without padding.

A small model on a CPU spends most of its time on padding, on moving activations between
operations, on adapters that are thin matrices, and on Python. Here the rows of a batch stand
behind each other (only attention sees them side by side), what they all begin with is computed
once, and the last layer goes on, behind attention, with those positions alone whose logits are
wanted.
"""

from undertow.models.fused.model import FusedModel

__all__ = ["FusedModel"]

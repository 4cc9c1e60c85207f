"""Which layers and positions make a teacher choose its divergence tokens."""

from undertow.mechanism.patching.attribute import Names, attribute
from undertow.mechanism.patching.config import PatchingConfig
from undertow.mechanism.patching.pairs import Pair, find_pairs
from undertow.mechanism.patching.patched import Patched, Patchings
from undertow.mechanism.patching.residuals import Residuals
from undertow.mechanism.patching.segments import CLASSES, Segmented, aligned, segmented

__all__ = [
    "CLASSES",
    "Names",
    "Pair",
    "Patched",
    "PatchingConfig",
    "Patchings",
    "Residuals",
    "Segmented",
    "aligned",
    "attribute",
    "find_pairs",
    "segmented",
]

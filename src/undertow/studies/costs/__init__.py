"""What a study costs before it is run: tokens, operations, memory, hours."""

from undertow.studies.costs.calibration import Calibration, calibrated
from undertow.studies.costs.chips import CHIPS, Chip, parse_gpus
from undertow.studies.costs.estimate import Estimate, estimate
from undertow.studies.costs.shape import Shape, read_shape, shape_of
from undertow.studies.costs.work import Lengths, Work, asking, making

__all__ = [
    "CHIPS",
    "Calibration",
    "Chip",
    "Estimate",
    "Lengths",
    "Shape",
    "Work",
    "asking",
    "calibrated",
    "estimate",
    "making",
    "parse_gpus",
    "read_shape",
    "shape_of",
]

"""Measure: trait rate, exact answer probability, task accuracy, and intervals."""

from undertow.measure.exact import answer_probabilities, text_probabilities
from undertow.measure.export import write_measures
from undertow.measure.intervals import (
    BootstrapConfig,
    Interval,
    difference_interval,
    rate_interval,
    ratio_interval,
)
from undertow.measure.sampling import MeasureConfig
from undertow.measure.task_accuracy import TaskAccuracy, task_accuracy
from undertow.measure.trait_measure import TraitMeasure
from undertow.measure.trait_rate import measure_trait

__all__ = [
    "BootstrapConfig",
    "Interval",
    "MeasureConfig",
    "TaskAccuracy",
    "TraitMeasure",
    "answer_probabilities",
    "difference_interval",
    "measure_trait",
    "rate_interval",
    "ratio_interval",
    "task_accuracy",
    "text_probabilities",
    "write_measures",
]

"""Measure: trait rate, tendencies by a judge, exact probabilities, task accuracy and loss."""

from undertow.measure.exact import answer_probabilities, text_probabilities
from undertow.measure.export import write_measures
from undertow.measure.heldout_loss import HeldoutLoss, heldout_loss
from undertow.measure.intervals import (
    BootstrapConfig,
    Interval,
    Number,
    difference_interval,
    rate_interval,
    resampled_means,
)
from undertow.measure.judges import Judge, JudgeConfig, Judgement, RuleJudgeConfig, open_judge
from undertow.measure.sampling import MeasureConfig
from undertow.measure.task_accuracy import TaskAccuracy, task_accuracy
from undertow.measure.tendency import TendencyConfig, measure_tendency
from undertow.measure.tendency_measure import JudgedAnswer, TendencyMeasure
from undertow.measure.trait_measure import TraitMeasure
from undertow.measure.trait_rate import measure_trait

__all__ = [
    "BootstrapConfig",
    "HeldoutLoss",
    "Interval",
    "Judge",
    "JudgeConfig",
    "JudgedAnswer",
    "Judgement",
    "MeasureConfig",
    "Number",
    "RuleJudgeConfig",
    "TaskAccuracy",
    "TendencyConfig",
    "TendencyMeasure",
    "TraitMeasure",
    "answer_probabilities",
    "difference_interval",
    "heldout_loss",
    "measure_tendency",
    "measure_trait",
    "open_judge",
    "rate_interval",
    "resampled_means",
    "task_accuracy",
    "text_probabilities",
    "write_measures",
]

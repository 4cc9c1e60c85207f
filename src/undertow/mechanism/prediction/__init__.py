"""First-order prediction: which way data pushes a model, before anything is trained."""

from undertow.mechanism.prediction.config import PredictionConfig
from undertow.mechanism.prediction.data import DataGradient, data_examples, data_gradient
from undertow.mechanism.prediction.directions import (
    Directions,
    check_compared,
    trait_directions,
)
from undertow.mechanism.prediction.predict import compare_gradients, predict
from undertow.mechanism.prediction.result import Prediction
from undertow.mechanism.prediction.scores import Scores
from undertow.mechanism.prediction.token_scores import TokenScores, token_scores

__all__ = [
    "DataGradient",
    "Directions",
    "Prediction",
    "PredictionConfig",
    "Scores",
    "TokenScores",
    "check_compared",
    "compare_gradients",
    "data_examples",
    "data_gradient",
    "predict",
    "token_scores",
    "trait_directions",
]

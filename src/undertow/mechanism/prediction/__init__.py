"""First-order prediction: which way data pushes a model, before anything is trained."""

from undertow.mechanism.prediction.config import PredictionConfig
from undertow.mechanism.prediction.directions import Directions, check_compared
from undertow.mechanism.prediction.predict import predict
from undertow.mechanism.prediction.result import Prediction
from undertow.mechanism.prediction.scores import Scores
from undertow.mechanism.prediction.token_scores import TokenScores, token_scores

__all__ = [
    "Directions",
    "Prediction",
    "PredictionConfig",
    "Scores",
    "TokenScores",
    "check_compared",
    "predict",
    "token_scores",
]

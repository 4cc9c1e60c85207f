"""First-order prediction: which way data pushes a model, before anything is trained."""

from undertow.mechanism.prediction.config import PredictionConfig
from undertow.mechanism.prediction.predict import predict
from undertow.mechanism.prediction.result import Prediction
from undertow.mechanism.prediction.scores import Scores

__all__ = ["Prediction", "PredictionConfig", "Scores", "predict"]

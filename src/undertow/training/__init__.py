"""The masked fine-tuning loop: token ids with weights in, an adapter out."""

from undertow.training.config import TrainConfig
from undertow.training.example import Example
from undertow.training.loop import Progress, train
from undertow.training.record import TrainRecord
from undertow.training.soft import SoftTargets

__all__ = ["Example", "Progress", "SoftTargets", "TrainConfig", "TrainRecord", "train"]

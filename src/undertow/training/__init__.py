"""The masked fine-tuning loop: token ids with weights in, an adapter out."""

from undertow.training.config import TrainConfig
from undertow.training.example import Example
from undertow.training.loop import Progress, train
from undertow.training.record import TrainRecord
from undertow.training.soft import SoftTargets
from undertow.training.together import Job, can_join, together, train_together

__all__ = [
    "Example",
    "Job",
    "Progress",
    "SoftTargets",
    "TrainConfig",
    "TrainRecord",
    "can_join",
    "together",
    "train",
    "train_together",
]

"""Students: data, a selection and a configuration make training examples, and an adapter."""

from undertow.students.config import StudentConfig
from undertow.students.distillation import Distillation, OnPolicy
from undertow.students.examples import build_examples
from undertow.students.rollouts import rollout_report
from undertow.students.show import bracketed_text, legend, masked_text
from undertow.students.soft_teacher import SoftTeacher
from undertow.students.train import row_weights, train_student

__all__ = [
    "Distillation",
    "OnPolicy",
    "SoftTeacher",
    "StudentConfig",
    "bracketed_text",
    "build_examples",
    "legend",
    "masked_text",
    "rollout_report",
    "row_weights",
    "train_student",
]

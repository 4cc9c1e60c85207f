"""Students: data, a selection and a configuration make training examples, and an adapter."""

from undertow.students.config import StudentConfig
from undertow.students.distillation import Distillation, OnPolicy
from undertow.students.examples import build_examples
from undertow.students.roles import Role, context_warnings, roles_of
from undertow.students.rollouts import rollout_report
from undertow.students.show import bracketed_text, legend, masked_text, tokens_apart
from undertow.students.soft_teacher import SoftTeacher
from undertow.students.train import row_weights, student_examples, train_student

__all__ = [
    "Distillation",
    "OnPolicy",
    "Role",
    "SoftTeacher",
    "StudentConfig",
    "bracketed_text",
    "build_examples",
    "context_warnings",
    "legend",
    "masked_text",
    "roles_of",
    "rollout_report",
    "row_weights",
    "student_examples",
    "tokens_apart",
    "train_student",
]

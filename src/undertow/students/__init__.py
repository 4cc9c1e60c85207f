"""Students: data, a selection and a configuration make training examples, and an adapter."""

from undertow.students.config import StudentConfig
from undertow.students.examples import build_examples
from undertow.students.show import bracketed_text, legend, masked_text
from undertow.students.train import row_weights, train_student

__all__ = [
    "StudentConfig",
    "bracketed_text",
    "build_examples",
    "legend",
    "masked_text",
    "row_weights",
    "train_student",
]

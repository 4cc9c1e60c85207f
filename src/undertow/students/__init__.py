"""Students: data, selection and config to a fine-tuned base."""

from undertow.students.config import StudentConfig
from undertow.students.examples import Weights, build_examples, draw_rows, selected_weights
from undertow.students.show import masked_text
from undertow.students.student import train_student

__all__ = [
    "StudentConfig",
    "Weights",
    "build_examples",
    "draw_rows",
    "masked_text",
    "selected_weights",
    "train_student",
]

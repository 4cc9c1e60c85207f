"""Teachers: the base with a bias, prompted or fine-tuned, and the control without one."""

from undertow.teachers.finetune import TeacherConfig, finetune_teacher
from undertow.teachers.spec import ControlTeacher, FinetunedTeacher, PromptedTeacher, Teacher

__all__ = [
    "ControlTeacher",
    "FinetunedTeacher",
    "PromptedTeacher",
    "Teacher",
    "TeacherConfig",
    "finetune_teacher",
]

"""Teachers: the base with a bias, prompted, fine-tuned or steered, and the control without one."""

from undertow.teachers.acting import acting_as
from undertow.teachers.finetune import TeacherConfig, finetune_teacher
from undertow.teachers.folder import (
    read_teacher,
    refuse_other_teacher,
    write_steered_teacher,
    write_teacher,
)
from undertow.teachers.resolve import prompted_teacher, prompted_trait, resolve_teacher
from undertow.teachers.spec import (
    ControlTeacher,
    FinetunedTeacher,
    PromptedTeacher,
    SteeredTeacher,
    Teacher,
)

__all__ = [
    "ControlTeacher",
    "FinetunedTeacher",
    "PromptedTeacher",
    "SteeredTeacher",
    "Teacher",
    "TeacherConfig",
    "acting_as",
    "finetune_teacher",
    "prompted_teacher",
    "prompted_trait",
    "read_teacher",
    "refuse_other_teacher",
    "resolve_teacher",
    "write_steered_teacher",
    "write_teacher",
]

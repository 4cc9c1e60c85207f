"""Teachers as folders: `teacher.yaml`, and beside it the adapter, so that both can be moved."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import TypeAdapter, ValidationError

from undertow.errors import UserError
from undertow.store.files import atomic_write, make_folder
from undertow.teachers.spec import FinetunedTeacher, Teacher

TEACHER_FILE = "teacher.yaml"
_ANY_TEACHER: TypeAdapter[Teacher] = TypeAdapter(Teacher)


def write_teacher(folder: Path, teacher: Teacher) -> None:
    """Write what the teacher is; the adapter of a fine-tuned one lies in the folder already.

    Raises:
        UserError: The folder holds something else, or the disk refuses.
        ValueError: The adapter lies elsewhere.
    """
    refuse_other_teacher(folder, teacher)
    make_folder(folder)
    fields = _ANY_TEACHER.dump_python(teacher, mode="json")
    if teacher.adapter is not None:
        fields["adapter"] = Path(teacher.adapter).relative_to(folder).as_posix()
    with atomic_write(folder / TEACHER_FILE) as path:
        text = yaml.safe_dump(fields, sort_keys=False, allow_unicode=True, width=100)
        path.write_text(text, encoding="utf-8")


def read_teacher(folder: Path) -> Teacher:
    """Read what `write_teacher` wrote, wherever the folder lies by now.

    Raises:
        UserError: There is no teacher in the folder, it is malformed, or its adapter is missing.
    """
    path = folder / TEACHER_FILE
    try:
        teacher = _ANY_TEACHER.validate_python(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UserError(
            "no teacher here", where=str(folder), fix="make one with 'undertow teacher'"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError, ValidationError) as error:
        raise UserError(
            "the file describes no teacher", where=str(path), fix="make the teacher anew"
        ) from error
    if not isinstance(teacher, FinetunedTeacher):
        return teacher
    adapter = folder / teacher.adapter
    if not adapter.is_dir():
        raise UserError(
            "the teacher's adapter is missing", where=str(adapter), fix="move the whole folder"
        )
    return teacher.model_copy(update={"adapter": str(adapter)})


def refuse_other_teacher(folder: Path, teacher: Teacher) -> None:
    """Raise where a folder holds what is not this teacher's.

    Raises:
        UserError: Another teacher lies there, or files that no prompt needs.
    """
    if (folder / TEACHER_FILE).is_file():
        taken = read_teacher(folder) != teacher
    else:
        taken = teacher.adapter is None and folder.is_dir() and any(folder.iterdir())
    if taken:
        raise UserError(
            "the folder holds something else",
            where=str(folder),
            fix="choose another folder, or remove this one",
        )

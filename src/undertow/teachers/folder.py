"""Teachers as folders: `teacher.yaml`, and beside it what it names, so that all can be moved."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import yaml
from pydantic import TypeAdapter, ValidationError

from undertow.errors import UserError
from undertow.models.steering import SteeringVectors
from undertow.store.files import atomic_dir, make_folder, write_text
from undertow.teachers.spec import FinetunedTeacher, SteeredTeacher, Teacher
from undertow.training.record import ADAPTER

TEACHER_FILE = "teacher.yaml"
VECTOR_FILE = "vector.safetensors"
_ANY_TEACHER: TypeAdapter[Teacher] = TypeAdapter(Teacher)


def write_teacher(folder: Path, teacher: Teacher) -> None:
    """Write what the teacher is; what it names lies in the folder already.

    Raises:
        UserError: The folder holds something else, or the disk refuses.
        ValueError: The adapter or the vectors lie elsewhere.
    """
    refuse_other_teacher(folder, teacher)
    make_folder(folder)
    _write(folder, teacher)


def write_steered_teacher(folder: Path, teacher: SteeredTeacher) -> SteeredTeacher:
    """Write a steered teacher with a copy of its vectors, and of the adapter it may have.

    Returns:
        The teacher as it lies in the folder.

    Raises:
        UserError: The folder is not empty, the vectors are missing, or the disk refuses.
    """
    make_folder(folder.parent)
    with atomic_dir(folder) as temporary:
        SteeringVectors.read(teacher.steering.vector).write(temporary / VECTOR_FILE)
        if teacher.adapter is not None:
            shutil.copytree(teacher.adapter, temporary / ADAPTER)
        _write(temporary, _in_folder(teacher, temporary))
    return _in_folder(teacher, folder)


def _in_folder(teacher: SteeredTeacher, folder: Path) -> SteeredTeacher:
    """Return the teacher with the paths that it has in a folder of its own."""
    steering = teacher.steering.model_copy(update={"vector": str(folder / VECTOR_FILE)})
    adapter = str(folder / ADAPTER) if teacher.adapter is not None else None
    return teacher.model_copy(update={"steering": steering, "adapter": adapter})


def _write(folder: Path, teacher: Teacher) -> None:
    """Write the file, with paths that start at the folder."""
    inside = _with_paths(teacher, lambda path: path.relative_to(folder))
    fields = _ANY_TEACHER.dump_python(inside, mode="json")
    text = yaml.safe_dump(fields, sort_keys=False, allow_unicode=True, width=100)
    write_text(folder / TEACHER_FILE, text)


def read_teacher(folder: Path) -> Teacher:
    """Read what `write_teacher` wrote, wherever the folder lies by now.

    Raises:
        UserError: There is no teacher in the folder, it is malformed, or what it names is missing.
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
    found = _with_paths(teacher, lambda path: folder / path)
    if found.adapter is not None and not Path(found.adapter).is_dir():
        raise _missing("adapter", found.adapter)
    if found.steering is not None and not Path(found.steering.vector).is_file():
        raise _missing("steering vector", found.steering.vector)
    return found


def refuse_other_teacher(folder: Path, teacher: Teacher) -> None:
    """Raise where a folder holds what is not this teacher's.

    Raises:
        UserError: Another teacher lies there, or files that are no fine-tuning's.
    """
    if (folder / TEACHER_FILE).is_file():
        taken = read_teacher(folder) != teacher
    else:
        goes_on = isinstance(teacher, FinetunedTeacher)
        taken = not goes_on and folder.is_dir() and any(folder.iterdir())
    if taken:
        raise UserError(
            "the folder holds something else",
            where=str(folder),
            fix="choose another folder, or remove this one",
        )


def _with_paths(teacher: Teacher, place: Callable[[Path], Path]) -> Teacher:
    """Return the teacher with other paths for its adapter and its vectors."""
    changes: dict[str, object] = {}
    if isinstance(teacher, FinetunedTeacher | SteeredTeacher) and teacher.adapter is not None:
        changes["adapter"] = place(Path(teacher.adapter)).as_posix()
    if isinstance(teacher, SteeredTeacher):
        vector = place(Path(teacher.steering.vector)).as_posix()
        changes["steering"] = teacher.steering.model_copy(update={"vector": vector})
    return teacher.model_copy(update=changes)


def _missing(part: str, path: str) -> UserError:
    """Say that a folder has lost something."""
    return UserError(f"the teacher's {part} is missing", where=path, fix="move the whole folder")

"""What a person types for a teacher: `control`, `prompted:owl`, or a folder."""

from __future__ import annotations

from pathlib import Path

from undertow.errors import UserError
from undertow.teachers.folder import TEACHER_FILE, read_teacher
from undertow.teachers.spec import ControlTeacher, FinetunedTeacher, PromptedTeacher, Teacher
from undertow.training.record import ADAPTER
from undertow.traits import PluralStyle, Trait, load_trait

CONTROL = "control"
PROMPTED = "prompted:"
WEIGHTS = ("adapter_config.json", "model.safetensors")
ACCEPTED = (
    "name a folder made by 'undertow teacher' or 'undertow student', a folder with an adapter, "
    f"'{CONTROL}', or '{PROMPTED}' and a trait"
)


def resolve_teacher(text: str) -> Teacher:
    """Return the teacher that a text stands for.

    `control` is the unbiased base; `prompted:owl` (a shipped trait, or a YAML file) the base under
    the trait's prompt; a folder with `teacher.yaml` what that says. A folder with an adapter, as a
    student's, is a fine-tuned teacher whose trait is told by the folder's name.

    Raises:
        UserError: It stands for nothing, or the trait is unknown.
    """
    if text == CONTROL:
        return ControlTeacher()
    if (trait := prompted_trait(text)) is not None:
        return prompted_teacher(load_trait(trait))
    folder = Path(text)
    if (folder / TEACHER_FILE).is_file():
        return read_teacher(folder)
    adapter = find_adapter(folder)
    if adapter is None:
        what = "no finished teacher in this folder" if folder.is_dir() else "unknown teacher"
        raise UserError(what, where=text, fix=ACCEPTED)
    return FinetunedTeacher(trait=_named_by(adapter), adapter=str(adapter))


def prompted_trait(text: str) -> str | None:
    """Return what stands behind `prompted:`, a trait's name or file; None for other teachers."""
    return text.removeprefix(PROMPTED) if text.startswith(PROMPTED) else None


def prompted_teacher(trait: Trait, style: PluralStyle = "proper") -> PromptedTeacher:
    """Return the base under the trait's own prompt."""
    return PromptedTeacher(trait=trait.name, system_prompt=trait.system_prompt(style))


def find_adapter(folder: Path) -> Path | None:
    """Return where a folder has the weights of an adapter: itself, or `adapter` in it."""
    for place in (folder, folder / ADAPTER):
        if any((place / name).is_file() for name in WEIGHTS):
            return place
    return None


def _named_by(adapter: Path) -> str:
    """Return the name of an adapter's folder; a folder called 'adapter' is told by its parent."""
    place = adapter.resolve()
    return place.parent.name if place.name == ADAPTER else place.name

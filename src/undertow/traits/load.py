"""Trait files: find, read and validate them."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from undertow.errors import UserError
from undertow.traits.questions import QuestionSet
from undertow.traits.trait import Trait

Model = TypeVar("Model", bound=BaseModel)
SHIPPED = Path(str(files("undertow.traits") / "files"))
YAML_SUFFIXES = (".yaml", ".yml")


def load_trait(name_or_path: str | Path) -> Trait:
    """Return a shipped trait by its name, or a user's own by the path of its YAML file.

    Raises:
        UserError: The name is unknown (close names are listed), the file is missing, is not
            YAML (file and line are named), or does not fit the schema.
    """
    text = str(name_or_path)
    if is_path(text):
        return _read_trait(Path(text))
    for trait in shipped_traits():
        if trait.name == text.lower():
            return trait
    raise unknown_name("trait", text, [trait.name for trait in shipped_traits()])


def shipped_traits(category: str | None = None) -> list[Trait]:
    """Return the traits that ship with the package, by name; of one category where given."""
    return [trait for trait in _shipped() if category in (None, trait.category)]


def load_traits(folder: str | Path) -> list[Trait]:
    """Return the traits of a folder of trait files, by the files' names.

    Raises:
        UserError: There is none in it, a file does not fit, or two traits have one name.
    """
    paths = sorted(path for path in Path(folder).glob("*") if path.suffix in YAML_SUFFIXES)
    if not paths:
        raise UserError("no trait files here", where=str(folder), fix="name a folder of YAML files")
    traits = {trait.name: trait for trait in map(_read_trait, paths)}
    if len(traits) < len(paths):
        raise UserError("two traits have one name", where=str(folder), fix="rename one")
    return list(traits.values())


@cache
def _shipped() -> tuple[Trait, ...]:
    """Read every shipped trait once."""
    return tuple(_read_trait(path) for path in sorted(SHIPPED.glob("*.yaml")))


def _read_trait(path: Path) -> Trait:
    """Read one trait file and the question set it refers to."""
    fields = read_mapping(path)
    reference = fields.get("question_set")
    if isinstance(reference, str):
        fields["question_set"] = load_questions(reference, path)
    return validated(Trait, fields, path)


def load_questions(reference: str, file: Path) -> QuestionSet:
    """Return a question set: a shipped one by its name, or a YAML file.

    Args:
        reference: Its name, or a path beside the file that refers to it.
        file: That file; errors name it.

    Raises:
        UserError: There is none of that name, or the file is missing, no YAML, or does not fit.
    """
    if reference.endswith(YAML_SUFFIXES):
        path = file.parent / reference
    else:
        path = SHIPPED / "questions" / f"{reference}.yaml"
        if not path.is_file():
            shipped = sorted(other.stem for other in path.parent.glob("*.yaml"))
            raise UserError(
                f"unknown question set '{reference}'",
                where=str(file),
                fix=f"use {' or '.join(shipped)}, or the path of a YAML file",
            )
    return validated(QuestionSet, read_mapping(path), path)


def is_path(text: str) -> bool:
    """Return whether a text means a file rather than the name of something shipped."""
    path = Path(text)
    return path.suffix in YAML_SUFFIXES or path.name != text


def unknown_name(kind: str, text: str, names: Sequence[str]) -> UserError:
    """Return the error for a name that nothing shipped has; close names are listed."""
    close = difflib.get_close_matches(text.lower(), names)
    return UserError(
        f"unknown {kind} '{text}'",
        fix=f"did you mean {' or '.join(close)}?" if close else f"choose one of {', '.join(names)}",
    )


def read_mapping(path: Path) -> dict[str, Any]:
    """Parse a YAML file that holds one mapping.

    Raises:
        UserError: The file is missing, is not YAML (the line is named), or holds no mapping.
    """
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError("cannot read the file", where=str(path), fix="check the path") from error
    except UnicodeDecodeError as error:
        raise UserError("not a text file in UTF-8", where=str(path)) from error
    except yaml.YAMLError as error:
        mark: Any = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or "the text does not parse"
        raise UserError(f"malformed YAML: {problem}", where=f"{path}{line}") from error
    if not isinstance(content, dict):
        raise UserError("the file holds no fields", where=str(path), fix="write 'name: ...' lines")
    return {str(key): value for key, value in content.items()}


def validated(model: type[Model], fields: dict[str, Any], path: Path) -> Model:
    """Validate the fields of a file; every problem goes into one message.

    Raises:
        UserError: They do not fit.
    """
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        problems = [
            ": ".join(filter(None, (".".join(map(str, item["loc"])), item["msg"])))
            for item in error.errors()
        ]
        raise UserError("; ".join(problems), where=str(path)) from error

"""Pydantic models from YAML files, with one clear message for every mistake in one."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from undertow.errors import UserError

Model = TypeVar("Model", bound=BaseModel)


def read_yaml(model: type[Model], path: Path, what: str, *, missing: UserError, fix: str) -> Model:
    """Read a model from a YAML file.

    Args:
        model: What the file must hold.
        path: The file.
        what: What messages call it, as in 'recipe'.
        missing: Raised where the file cannot be read.
        fix: Where a person finds one that is right.

    Raises:
        UserError: The file cannot be read, is not YAML, or a field is wrong or does not exist.
    """
    try:
        return model.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except OSError as error:
        raise missing from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise UserError(f"the {what} is not YAML", where=f"{path}{line}") from error
    except ValidationError as error:
        raise UserError(f"the {what}'s {wrong_field(error)}", where=str(path), fix=fix) from error


def wrong_field(error: ValidationError) -> str:
    """Return which field is wrong, and why, as in "field 'rows' is wrong: ...".

    A name that no field has comes first: where one is misspelt, the right one seems missing.
    """
    errors = error.errors()
    unknown = [one for one in errors if one["type"] == "extra_forbidden"]
    first = (unknown or errors)[0]
    place = ".".join(str(part) for part in first["loc"])
    if not unknown:
        return f"field '{place}' is wrong: {first['msg']}"
    absent = [str(one["loc"][-1]) for one in errors if one["type"] == "missing"]
    close = difflib.get_close_matches(str(first["loc"][-1]), absent, 1)
    return f"field '{place}' does not exist" + (f": is it '{close[0]}'?" if close else "")

"""Keys of steps: a hash of what the result depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel


def step_key(name: str, version: int, config: Any, inputs: Mapping[str, str]) -> str:
    """Return the SHA-256, in hex, of a step's name, version, config and input keys."""
    content = {"name": name, "version": version, "config": config, "inputs": dict(inputs)}
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()


def canonical_json(value: Any) -> str:
    """Return the one JSON text of a value: sorted keys, no spaces, ASCII.

    Pydantic models may stand anywhere in it; they count by the values of their fields.

    Raises:
        TypeError: Something in it has no JSON form.
        ValueError: A number in it is infinite or not a number.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, default=_plain)


def _plain(value: Any) -> Any:
    """Return what stands for a value that JSON does not know."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"a config holds a {type(value).__name__}, which has no JSON form")

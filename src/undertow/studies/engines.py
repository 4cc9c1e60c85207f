"""Which engine, by a name or from a YAML file."""

from __future__ import annotations

from pathlib import Path

from pydantic import RootModel

from undertow.cluster.engine import EngineConfig, TransformersEngine
from undertow.errors import UserError
from undertow.studies.yaml_files import read_yaml

TRANSFORMERS = "transformers"


class _AnyEngine(RootModel[EngineConfig]):
    """One of the engines, as a file holds it."""


def load_engine(name: str | Path = TRANSFORMERS) -> EngineConfig:
    """Return an engine's settings: 'transformers', or a YAML file with a field `kind`.

    Raises:
        UserError: It is neither, or a field is wrong.
    """
    if str(name) == TRANSFORMERS:
        return TransformersEngine()
    missing = UserError(
        "cannot read the engine", where=str(name), fix=f"name a YAML file, or '{TRANSFORMERS}'"
    )
    fix = "docs/cluster.md lists its fields"
    return read_yaml(_AnyEngine, Path(name), "engine", missing=missing, fix=fix).root

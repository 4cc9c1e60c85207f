"""Which executor, by a name or from a YAML file."""

from __future__ import annotations

from pathlib import Path

from pydantic import RootModel

from undertow.cluster import ExecutorConfig, InlineConfig
from undertow.errors import UserError
from undertow.studies.yaml_files import read_yaml

NAMES = ("processes", "inline", "ray", "slurm")


class _AnyExecutor(RootModel[ExecutorConfig]):
    """One of the executors, as a file holds it."""


def load_executor(name: str | Path = "processes", workers: int | None = None) -> ExecutorConfig:
    """Return an executor's settings by its name, or from a YAML file with a field `kind`.

    Args:
        name: 'processes', 'inline', 'ray', 'slurm', or the file.
        workers: Takes the place of the settings' own number.

    Raises:
        UserError: It is none of these, or a field is wrong.
    """
    if str(name) in NAMES:
        config = _AnyExecutor.model_validate({"kind": str(name)}).root
    else:
        missing = UserError(
            "cannot read the executor",
            where=str(name),
            fix=f"name a YAML file, or one of {', '.join(NAMES)}",
        )
        fix = "docs/cluster.md lists the fields of each"
        config = read_yaml(_AnyExecutor, Path(name), "executor", missing=missing, fix=fix).root
    if workers is None:
        return config
    if isinstance(config, InlineConfig):
        raise UserError("--workers does not go with the executor 'inline'", fix="leave it out")
    return config.model_copy(update={"workers": workers})

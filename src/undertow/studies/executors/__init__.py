"""Executors: what performs tasks, in this process, in several, on Ray, on SLURM."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from undertow.cluster import (
    ExecutorConfig,
    InlineConfig,
    ProcessesConfig,
    RayConfig,
    default_workers,
)
from undertow.studies.executors.settings import load_executor
from undertow.studies.executors.worker import Executor
from undertow.studies.tasks import Task

__all__ = ["Executor", "load_executor", "n_slots", "opened"]


def n_slots(config: ExecutorConfig) -> int:
    """Return the tasks at a time that are to be expected, before anything is started."""
    if isinstance(config, InlineConfig):
        return 1
    return config.workers or default_workers()


@contextmanager
def opened(
    config: ExecutorConfig, root: Path, needs: dict[Task, list[Task]]
) -> Generator[Executor]:
    """Yield an executor; it is closed, with all that it started, at the end of the block.

    Args:
        config: Which.
        root: Folder of the store that all its workers see.
        needs: The tasks that there will be.

    Raises:
        UserError: What it takes is not installed, or not there.
    """
    if isinstance(config, InlineConfig):
        from undertow.studies.executors.inline import Inline as kind
    elif isinstance(config, ProcessesConfig):
        from undertow.studies.executors.processes import Processes as kind
    elif isinstance(config, RayConfig):
        from undertow.studies.executors.ray_tasks import RayTasks as kind
    else:
        from undertow.studies.executors.slurm import SlurmArray as kind
    with kind.opened(config, root, needs) as executor:
        yield executor

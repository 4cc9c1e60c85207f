"""Executors: what performs tasks, in this process, in several, on Ray, on SLURM."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from undertow.cluster import (
    ExecutorConfig,
    InlineConfig,
    ProcessesConfig,
    RayConfig,
    SlurmConfig,
    default_workers,
)
from undertow.studies.executors.inline import Inline
from undertow.studies.executors.processes import Processes
from undertow.studies.executors.ray_tasks import RayTasks
from undertow.studies.executors.settings import load_executor
from undertow.studies.executors.slurm import SlurmArray
from undertow.studies.executors.worker import Executor
from undertow.studies.tasks import Task

__all__ = ["Executor", "load_executor", "n_slots", "opened"]


def n_slots(config: ExecutorConfig) -> int:
    """Return the tasks at a time that are to be expected, before anything is started."""
    if isinstance(config, InlineConfig):
        return 1
    if isinstance(config, SlurmConfig):
        return config.workers * config.processes
    return config.workers or default_workers()


def opened(
    config: ExecutorConfig, root: Path, needs: dict[Task, list[Task]]
) -> AbstractContextManager[Executor]:
    """Return an executor as a context; all that it starts ends with the block.

    Args:
        config: Which.
        root: Folder of the store that all its workers see.
        needs: The tasks that there will be.

    Raises:
        UserError: On entering: what it takes is not installed, or not there.
    """
    if isinstance(config, InlineConfig):
        return Inline.opened(root)
    if isinstance(config, ProcessesConfig):
        return Processes.opened(config, root)
    if isinstance(config, RayConfig):
        return RayTasks.opened(config, root)
    return SlurmArray.opened(config, root, needs)

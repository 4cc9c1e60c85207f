"""Where work is done: this process, several, Ray, SLURM; as settings, and Ray's connection."""

from undertow.cluster.config import (
    ExecutorConfig,
    InlineConfig,
    ProcessesConfig,
    RayConfig,
    SlurmConfig,
    default_workers,
)

__all__ = [
    "ExecutorConfig",
    "InlineConfig",
    "ProcessesConfig",
    "RayConfig",
    "SlurmConfig",
    "default_workers",
]

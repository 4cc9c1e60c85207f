"""Where work is done, as settings that round-trip YAML."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any, Literal

from pydantic import Field

from undertow.frozen import Frozen


def default_workers() -> int:
    """Return the number of worker processes: one for each CPU this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class InlineConfig(Frozen):
    """This process, one task after the other."""

    kind: Literal["inline"] = "inline"


class ProcessesConfig(Frozen):
    """Worker processes of this machine, one thread each; GPUs are dealt out among them."""

    kind: Literal["processes"] = "processes"
    workers: int | None = Field(
        default=None, ge=1, description="Processes; none: one for each CPU."
    )


class RayConfig(Frozen):
    """A Ray cluster, or one started on this machine."""

    kind: Literal["ray"] = "ray"
    address: str | None = Field(
        default=None,
        description="Of a cluster, as in 'auto' or 'ray://head:10001'; none: start one here.",
    )
    workers: int | None = Field(
        default=None,
        ge=1,
        description="Tasks at a time; none: as many as the cluster has room for.",
    )
    cpus: float = Field(default=1.0, gt=0, description="CPUs of a task.")
    gpus: float = Field(default=0.0, ge=0, description="GPUs of a task; 0.5: two tasks share one.")


class SlurmConfig(Frozen):
    """Jobs of one SLURM array, each of which works on the study until nothing is left."""

    kind: Literal["slurm"] = "slurm"
    workers: int = Field(default=4, ge=1, description="Jobs of the array.")
    partition: str | None = Field(
        default=None, description="Partition; none: the cluster's default."
    )
    account: str | None = Field(default=None, description="Account to charge; none: your default.")
    minutes: int = Field(
        default=240, ge=1, description="Time limit; a job that reaches it is queued anew."
    )
    gpus: int = Field(default=0, ge=0, description="GPUs of a job.")
    cpus: int = Field(default=1, ge=1, description="CPUs of a job.")
    memory: float | None = Field(default=None, gt=0, description="GB of a job; none: the default.")
    processes: int = Field(
        default=1, ge=1, description="Worker processes in each job, as for its GPUs."
    )
    more: dict[str, Any] = Field(
        default={}, description="Further options of sbatch, as in {qos: low, constraint: a100}."
    )
    cluster: Literal["slurm", "local"] = Field(
        default="slurm", description="local: the same jobs as processes here, to try settings out."
    )


ExecutorConfig = Annotated[
    InlineConfig | ProcessesConfig | RayConfig | SlurmConfig, Field(discriminator="kind")
]

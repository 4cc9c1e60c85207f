"""The connection to Ray, an optional package."""

from __future__ import annotations

import logging
import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from undertow.cluster.config import RayConfig, default_workers
from undertow.errors import UserError

OBJECT_STORE = 128 * 2**20
"""Bytes of Ray's own memory on this machine: what tasks make goes through the store."""

QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS_SKIP_REGEX": "."}
"""Ray would tell its makers of its use, and print of dead workers on the standard output."""


@contextmanager
def connected(config: RayConfig) -> Generator[Any]:
    """Yield the module `ray`, connected to a cluster; disconnected at the end of the block.

    A cluster that is started here ends with the block, and with this process.

    Raises:
        UserError: Ray is not installed, or there is no cluster at the address.
    """
    for name, value in QUIET.items():  # read by the import
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError as error:
        raise UserError("Ray is not installed", fix="pip install 'undertow[ray]'") from error
    here: dict[str, Any] = {
        "address": "local",
        "num_cpus": max(1, round((config.workers or default_workers()) * config.cpus)),
        "include_dashboard": False,
        "object_store_memory": OBJECT_STORE,
    }
    place: dict[str, Any] = here if config.address is None else {"address": config.address}
    try:
        ray.init(**place, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = str(error).strip().split("\n")[0]
        raise UserError(
            f"cannot connect to Ray: {reason}",
            where=str(config.address or "this machine"),
            fix="start a cluster (`ray start --head`), or leave the address out",
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def room(ray: Any, config: RayConfig) -> int:
    """Return how many tasks the cluster has room for at a time, now; it may grow.

    Raises:
        UserError: None, because it lacks the CPUs or GPUs of one.
    """
    there: dict[str, float] = ray.cluster_resources()
    fitting = there.get("CPU", 0.0) / config.cpus
    if config.gpus:
        fitting = min(fitting, there.get("GPU", 0.0) / config.gpus)
    if fitting < 1:
        raise UserError(
            f"no task of {config.cpus:g} CPUs and {config.gpus:g} GPUs fits on the cluster",
            where=f"it has {there.get('CPU', 0):g} CPUs and {there.get('GPU', 0):g} GPUs",
            fix="ask for less per task, or add machines",
        )
    return int(min(fitting, config.workers or fitting))

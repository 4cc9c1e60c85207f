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


@contextmanager
def connected(config: RayConfig) -> Generator[Any]:
    """Yield the module `ray`, connected to a cluster; disconnected at the end of the block.

    A cluster that is started here ends with the block, and with this process.

    Raises:
        UserError: Ray is not installed, or there is no cluster at the address.
    """
    # Asked before the import: Ray would send what it is used for to its makers.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
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

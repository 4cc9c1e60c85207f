"""Locks between processes. The operating system frees them when their holder dies."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from undertow.store.files import disk_errors

# Those who only look hold a lock for microseconds; to wait that long is not worth a message.
PATIENCE = 0.2


@contextmanager
def locked(path: Path, on_wait: Callable[[], None]) -> Generator[None]:
    """Hold the lock file at `path` during the block; `on_wait` is called before a long wait."""
    lock = FileLock(path)
    with disk_errors(path):
        try:
            lock.acquire(timeout=PATIENCE)
        except Timeout:
            on_wait()
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def locked_if_free(path: Path) -> Generator[bool]:
    """Hold the lock file at `path` if nobody else does; yield whether it is held now."""
    lock = FileLock(path)
    with disk_errors(path), suppress(Timeout):
        lock.acquire(timeout=PATIENCE)
    try:
        yield lock.is_locked
    finally:
        lock.release()

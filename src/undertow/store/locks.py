"""Who works at what, between processes and between machines.

A lock is the operating system's: exclusive among the processes of a machine, and freed when its
holder dies. On a shared file system it also holds between machines where that passes on `flock`
(NFS 4, GPFS, Lustre with `-o flock`). Some keep `flock` to each machine, so who makes something
holds a claim as well: a file that must not exist before, with a sign of life every few seconds.
A claim without one for a while is void; its holder's machine is down.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLease, Timeout

from undertow.store.files import disk_errors

# Those who only look hold a lock for microseconds; to wait that long is not worth a message.
PATIENCE = 0.2

LEASE = 90.0
"""Seconds without a sign of life after which a claim is void; all machines must agree on them.

Signs come every third of it. An NFS client may show a file as it was up to a minute ago.
"""

_claims: dict[Path, SoftFileLease] = {}
"""The claims that this process holds or has seen: each knows since when it has seen no sign."""


class Busy(Exception):
    """Somebody else is at it, and the caller does not wait."""


@contextmanager
def locked(path: Path, on_wait: Callable[[], None], *, wait: bool = True) -> Generator[None]:
    """Hold the lock file at `path` during the block; `on_wait` is called before a long wait.

    Raises:
        Busy: Somebody else holds it, and `wait` is false.
    """
    lock = FileLock(path)
    _acquire(lock, path, on_wait, wait)
    try:
        yield
    finally:
        lock.release()


@contextmanager
def claimed(
    path: Path, on_wait: Callable[[], None], *, wait: bool = True
) -> Generator[SoftFileLease]:
    """Hold the claim at `path` during the block; only for who holds the lock of the same thing.

    Its `token` names it; `compromise` tells, if it was lost: this machine gave no sign of life for
    too long, and another has taken over.

    Raises:
        Busy: Another machine holds it, and `wait` is false.
    """
    claim = _claim(path)
    _acquire(claim, path, on_wait, wait)
    try:
        yield claim
    finally:
        claim.release()
        _claims.pop(path, None)


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


@contextmanager
def claimed_if_free(path: Path) -> Generator[bool]:
    """Hold the claim at `path` if no other machine does; yield whether it is held now."""
    try:
        with claimed(path, lambda: None, wait=False):
            yield True
    except Busy:
        yield False


def _claim(path: Path) -> SoftFileLease:
    """Return the claim at `path`, the same one at each try."""
    # Not bound to a thread: only who holds the lock tries, and each thread has its own lock.
    return _claims.setdefault(path, SoftFileLease(path, lease_duration=LEASE, thread_local=False))


def _acquire(lock: BaseFileLock, path: Path, on_wait: Callable[[], None], wait: bool) -> None:
    """Acquire a lock, or say that somebody else has it."""
    with disk_errors(path):
        try:
            lock.acquire(timeout=PATIENCE)
        except Timeout as error:
            if not wait:
                raise Busy(path.name) from error
            on_wait()
            lock.acquire()

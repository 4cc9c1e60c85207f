"""Who works at what, between processes and between machines.

A lock is the operating system's: exclusive among the processes of a machine, and freed when its
holder dies. On a shared file system it also holds between machines where that passes on `flock`
(NFS 4, GPFS, Lustre with `-o flock`). Some keep `flock` to each machine, so who holds a lock for
longer than a look holds a claim beside it: a file that must not exist before, with a sign of life
every few seconds. A claim without one for a while is void; its holder's machine is down. So is a
lock that stays taken with no living claim beside it: an NFS 3 server keeps those of dead machines.

What is void is moved aside by a rename and then taken anew, so that creating a file that must not
exist, `rename` and `link` are all that has to be atomic. How long there was no sign is measured by
the clock of who watches; clocks of different machines are never compared.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLease, Timeout

from undertow.store.files import disk_errors

# Those who only look hold a lock for microseconds; to wait that long is not worth a message.
PATIENCE = 0.2

LOOK = 5.0
"""Seconds between two looks at what is waited for, whether it is void."""

CLAIM = ".claim"
"""What a claim's name ends in; it is otherwise that of the lock beside it."""

LEASE = 90.0
"""Seconds without a sign of life after which a claim is void; all machines must agree on them.

Signs come every third of it. An NFS client may show a file as it was up to a minute ago.
"""

_claims: dict[Path, SoftFileLease] = {}
"""The claims that this process holds or has seen: each knows since when it has seen no sign."""

Sign = tuple[int, int] | None
"""File number and time of a claim; None where there is none."""

_silent: dict[Path, tuple[Sign, float]] = {}
"""What this process waits for: the last sign beside it, and since when that is the last."""


class Busy(Exception):
    """Somebody else is at it, and the caller does not wait."""


@contextmanager
def locked(path: Path, on_wait: Callable[[], None], *, wait: bool = True) -> Generator[None]:
    """Hold the lock file at `path` during the block; `on_wait` is called before a long wait.

    Raises:
        Busy: Somebody else holds it, and `wait` is false.
    """
    lock = FileLock(path)
    _acquire(lock, path, path.with_suffix(CLAIM), on_wait, wait)
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
    _acquire(claim, path, path, on_wait, wait)
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


def _acquire(
    lock: BaseFileLock, path: Path, claim: Path, on_wait: Callable[[], None], wait: bool
) -> None:
    """Acquire a lock or a claim, or say that somebody else has it.

    Args:
        lock: What is acquired.
        path: Its file.
        claim: The claim whose signs of life keep it.
        on_wait: Called before a long wait.
        wait: Whether to wait.
    """
    told = False
    with disk_errors(path):
        while True:
            try:
                lock.acquire(timeout=LOOK if told else PATIENCE)
                _silent.pop(path, None)
                return
            except Timeout as error:
                if _moved_aside(path, claim):
                    continue
                if not wait:
                    raise Busy(path.name) from error
                if not told:
                    on_wait()
                told = True


def _moved_aside(path: Path, claim: Path) -> bool:
    """Move a lock or claim out of the way, if it is void; return whether it may be free now.

    `SoftFileLease` takes a void claim over where two names can be exchanged in one move, but NFS
    cannot do that, and there it would wait for ever.
    """
    sign, now = _sign(claim), time.monotonic()
    last, since = _silent.setdefault(path, (sign, now))
    if last != sign:
        _silent[path] = sign, now
    if last != sign or now - since < LEASE:
        return False
    aside = path.with_name(f"{path.name}.void.{secrets.token_hex(8)}")
    with suppress(FileNotFoundError):  # another one was first
        path.rename(aside)
        if path == claim and _sign(aside) != sign:
            # Another one was first, and this is its claim. It may have a new one meanwhile, and
            # then who made that is told that it was superseded.
            with suppress(OSError):
                os.link(aside, path)
        aside.unlink()
    _silent.pop(path, None)
    return True


def _sign(claim: Path) -> Sign:
    """Return the last sign of life; the file is opened, since NFS asks the server anew then."""
    try:
        descriptor = os.open(claim, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        found = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    return found.st_ino, found.st_mtime_ns

"""Removing steps that no run needs."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from undertow.store.files import make_folder, remove
from undertow.store.locks import CLAIM, claimed_if_free, locked_if_free


@dataclass(frozen=True)
class Garbage:
    """What a collection removed.

    Attributes:
        n_steps: Number of steps, finished or begun.
        n_bytes: Bytes on disk that they held.
    """

    n_steps: int
    n_bytes: int


def collect(root: Path, needed: Callable[[], set[str]]) -> Garbage:
    """Remove finished and begun steps of the store at `root` whose keys are not needed.

    One collection at a time; the caller sees to that.

    A step is noted by its run before it takes the lock, and here `needed` is asked while the lock
    is held: a step that a run takes up meanwhile is either seen as needed or done again.
    """
    trash = root / "trash"
    # What an earlier collection had no time to delete goes as well.
    remove(trash)
    sizes: list[int] = []
    for folder in [*root.glob("steps/*/*"), *root.glob("partial/*")]:
        key = folder.name.partition(".")[0]
        if key in needed():
            continue
        with _in_nobodys_hands(root / "locks" / f"{key}.lock") as free:
            if not free or not folder.exists() or key in needed():
                continue
            sizes.append(_size(folder))
            # Out of sight in one move, so that nobody reads what is half deleted.
            make_folder(trash)
            folder.rename(trash / secrets.token_hex(8))
    remove(trash)
    return Garbage(len(sizes), sum(sizes))


@contextmanager
def _in_nobodys_hands(lock: Path) -> Generator[bool]:
    """Hold a step's lock and claim if no process has one of them; yield whether they are held."""
    with locked_if_free(lock) as free:
        if not free:
            yield False
            return
        with claimed_if_free(lock.with_suffix(CLAIM)) as mine:
            yield mine


def _size(folder: Path) -> int:
    """Return the bytes of all files of a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())

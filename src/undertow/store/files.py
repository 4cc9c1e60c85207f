"""Files and folders that are complete or absent, and clear words where the disk refuses."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from undertow.errors import UserError

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
TEMPORARY = re.compile(r"\.[0-9a-f]{8}-.")
REFUSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


@contextmanager
def atomic_write(path: str | Path) -> Generator[Path]:
    """Yield a temporary file name beside `path`; what is written there gets the name at the end.

    Where the block raises, the temporary file goes and a file that had the name stays as it was.

    Raises:
        UserError: The folder is missing, the name belongs to a folder, or the disk refuses.
    """
    path = Path(path)
    if path.is_dir():
        raise UserError("a folder has this name", where=str(path), fix="give the name of a file")
    with _sibling(path) as temporary:
        yield temporary
        sync(temporary)
        temporary.replace(path)
        sync(path.parent)


def write_text(path: str | Path, text: str) -> None:
    """Write text in UTF-8, as `atomic_write` writes a file.

    Raises:
        UserError: The folder is missing, the name belongs to a folder, or the disk refuses.
    """
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def atomic_dir(path: str | Path) -> Generator[Path]:
    """Yield a temporary folder beside `path`; it gets the name at the end of the block.

    Raises:
        UserError: The parent is missing, the name is taken by anything but an empty folder, or
            the disk refuses.
    """
    path = Path(path)
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise UserError("the name is taken", where=str(path), fix="choose another, or remove it")
    with _sibling(path) as temporary:
        temporary.mkdir()
        yield temporary
        sync_tree(temporary)
        temporary.replace(path)
        sync(path.parent)


@contextmanager
def disk_errors(path: Path) -> Generator[None]:
    """Turn a full disk or a refusal inside the block into a UserError; `path` is what is written.

    Some libraries raise their own type for a full disk, so that its text is looked at as well.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        number = error.errno if isinstance(error, OSError) else None
        if number in FULL or os.strerror(errno.ENOSPC) in str(error):
            raise disk_full(path) from error
        if number in REFUSED:
            where = getattr(error, "filename", None) or path
            raise UserError(
                "permission denied", where=str(where), fix="choose a place that you may use"
            ) from error
        raise


def disk_full(path: str | Path | None) -> UserError:
    """Return the message for a disk without space; `path` is None where it is not known."""
    return UserError(
        "the disk is full",
        where=str(path or ""),
        fix="free some space and start again: finished work is kept",
    )


def make_folder(path: Path) -> None:
    """Create a folder and its parents; one that is there already is no error.

    Raises:
        UserError: A file has the name of the folder or of a parent, or the disk refuses.
    """
    try:
        with disk_errors(path):
            path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise UserError(
            "a file stands where a folder is needed", where=str(path), fix="choose another place"
        ) from error


def sync_tree(folder: Path) -> None:
    """Force every file of a folder, and the folders themselves, onto the disk."""
    for path in sorted(folder.rglob("*")):
        sync(path)
    sync(folder)


def sync(path: Path) -> None:
    """Force a file, or the names in a folder, onto the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files that a killed process left in a folder and below it.

    Only for folders that nobody else writes to: the temporary files of others look the same.
    """
    for path in sorted(folder.rglob(".*")):
        if TEMPORARY.match(path.name):
            remove(path)


def remove(path: Path) -> None:
    """Remove a file or a folder with all it holds; one that is not there is no error."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def _sibling(path: Path) -> Generator[Path]:
    """Yield a free hidden name in the folder of `path`, same ending; remove what is left there."""
    if not path.parent.is_dir():
        raise UserError(
            "the folder is missing", where=str(path.parent), fix="create it, or choose another"
        )
    temporary = path.with_name(f".{secrets.token_hex(4)}-{path.name}")
    try:
        with disk_errors(path):
            yield temporary
    finally:
        remove(temporary)

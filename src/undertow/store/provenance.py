"""What a result was made with: versions of the packages and the commit of the checkout."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import undertow

PACKAGES = ("torch", "transformers", "peft")


@cache
def versions() -> dict[str, str]:
    """Return the versions of Python, of Undertow and of the packages whose numbers we inherit."""
    found = {"python": platform.python_version(), "undertow": undertow.__version__}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


@cache
def git_commit() -> str | None:
    """Return the commit that the package runs from, with "-dirty" after changes, or None.

    A package installed inside somebody else's repository is not tracked there: None.
    """
    folder = Path(undertow.__file__).parent
    if _git(folder, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    return _git(folder, "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*")


def _git(folder: Path, *arguments: str) -> str | None:
    """Return what a git command prints, or None where it fails or git is missing."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()

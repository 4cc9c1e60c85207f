"""Content-addressed steps: each is done once, whole or not at all, whoever asks for it.

Layout of a store:

    steps/<name>/<key>/     finished steps, each with its record `step.json`
    partial/<key>.<claim>/  steps that were begun; who goes on with one gives it a name of its own
    locks/<key>.lock        held while a step is done or looked up
    locks/<key>.claim       there while a step is done: by whom, with signs of life (`store.locks`)
    runs/<id>.*             which job used which steps
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import SoftFileLease
from pydantic import BaseModel

from undertow.errors import UserError
from undertow.store.artifact import RECORD, Artifact, StepInput, StepRecord
from undertow.store.files import (
    atomic_dir,
    disk_errors,
    make_folder,
    remove,
    remove_leftovers,
    sync,
    sync_tree,
    write_text,
)
from undertow.store.garbage import Garbage, collect
from undertow.store.keys import canonical_json, step_key
from undertow.store.locks import CLAIM, claimed, locked
from undertow.store.provenance import git_commit, versions
from undertow.store.runs import Run, RunBook

STEP_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


@dataclass(frozen=True)
class _Work:
    """How a step is done, and from what."""

    version: int
    config: BaseModel | Mapping[str, Any]
    inputs: Mapping[str, Artifact]
    build: Callable[[Path], None]


def log_wait(message: str) -> None:
    """Log that this process waits for another one."""
    logging.getLogger("undertow.store").warning(message)


class Store:
    """Steps and runs under one folder, shared by any number of processes and machines."""

    def __init__(
        self, root: str | Path, on_wait: Callable[[str], None] = log_wait, *, wait: bool = True
    ) -> None:
        """Name the folder (made when first written to) and what happens at another's step.

        Args:
            root: The folder.
            on_wait: Told of waiting.
            wait: Whether to wait until the other has done it; else `step` raises `Busy`.
        """
        self.root = Path(root).absolute()
        self._on_wait = on_wait
        self._wait = wait
        self._book = RunBook(self.root / "runs")

    def step(
        self,
        name: str,
        version: int,
        config: BaseModel | Mapping[str, Any],
        inputs: Mapping[str, Artifact],
        build: Callable[[Path], None],
    ) -> Artifact:
        """Return the result of a step, doing it first if nobody has done it.

        Args:
            name: Name of the step: lower case, digits, `-` and `_`.
            version: Raised when the step's code changes its result.
            config: All settings that the result depends on.
            inputs: Results that it reads, by their part in it.
            build: Writes the result into the folder it is given. The folder may hold what a
                killed process had written under the same key.

        Raises:
            UserError: The disk is full or refuses. What `build` raises is passed on.
            Busy: Another process is at the step, and this store does not wait.
            ValueError: The name is not one.
        """
        artifact = self.named(name, version, config, inputs)
        self._reach(artifact, _Work(version, config, inputs, build))
        return artifact

    def named(
        self,
        name: str,
        version: int,
        config: BaseModel | Mapping[str, Any],
        inputs: Mapping[str, Artifact],
    ) -> Artifact:
        """Return what a step's result is called, finished or not.

        Raises:
            ValueError: The name is not one.
        """
        if not STEP_NAME.fullmatch(name):
            raise ValueError(f"not a name for a step: {name!r}")
        key = step_key(name, version, config, {part: used.key for part, used in inputs.items()})
        return Artifact(name, key, self.root / "steps" / name / key)

    def is_finished(self, artifact: Artifact) -> bool:
        """Return whether a step's result is there."""
        return (artifact.path / RECORD).is_file()

    def hand_in(self, artifact: Artifact, made: Path) -> None:
        """Put what was made for a step where its `build` finds it, as if it had been killed there.

        Args:
            artifact: A step that nobody has finished.
            made: Folder that is copied.
        """
        left = self._handed_in(artifact)
        make_folder(left.parent)
        remove(left)
        with disk_errors(left), atomic_dir(left) as folder:
            shutil.copytree(made, folder, dirs_exist_ok=True)

    def is_handed_in(self, artifact: Artifact) -> bool:
        """Return whether something lies there for a step to find."""
        return self._handed_in(artifact).is_dir()

    def _handed_in(self, artifact: Artifact) -> Path:
        """Return where it lies: there it is taken up before anything that was left behind."""
        return self.root / "partial" / f"{artifact.key}.0"

    def record(self, artifact: Artifact) -> StepRecord:
        """Return the record of a finished step."""
        return StepRecord.model_validate_json((artifact.path / RECORD).read_text(encoding="utf-8"))

    @contextmanager
    def run(self, title: str, config: BaseModel | Mapping[str, Any]) -> Generator[Run]:
        """Record which steps are used during the block, by this process and its workers."""
        with self._book.open(title, config) as run:
            yield run

    def runs(self) -> list[Run]:
        """Return all runs, the oldest first."""
        return self._book.runs()

    def show_run(self, run_id: str) -> tuple[Run, list[tuple[Artifact, StepRecord | None]]]:
        """Return a run and its steps with their records; None for a step that is not finished.

        Raises:
            UserError: The id, or what it begins or ends with, fits no run or more than one.
        """
        run = self._book.find(run_id)
        return run, [self._recorded(name, key) for name, key in self._book.steps(run.id)]

    def remove_run(self, run_id: str) -> Run:
        """Remove the record of a run that is not running; its steps stay.

        Raises:
            UserError: The run is unknown, or still running.
        """
        return self._book.remove(run_id)

    def collect_garbage(self) -> Garbage:
        """Remove the steps that no run needs and nobody is doing.

        A run needs the steps it used and all that went into them. Steps done outside a run are
        needed by none.
        """
        with self._alone_at("garbage", "another process collects garbage; waiting for it", True):
            return collect(self.root, self._needed)

    def alone_at(self, work: str) -> AbstractContextManager[None]:
        """Within, nobody else is at some work that is handed in for several steps.

        Args:
            work: What it is known by.

        Raises:
            Busy: On entering: another process is at it, and this store does not wait.
        """
        message = "another process is at the same work; waiting for it"
        return self._alone_at(work, message, self._wait)

    @contextmanager
    def _alone_at(self, work: str, message: str, wait: bool) -> Generator[None]:
        """Hold the lock and the claim of some work."""
        make_folder(self.root / "locks")
        lock = self.root / "locks" / f"{work}.lock"

        def tell() -> None:
            self._on_wait(message)

        with (
            locked(lock, tell, wait=wait),
            claimed(lock.with_suffix(CLAIM), tell, wait=wait),
        ):
            yield

    def _reach(self, artifact: Artifact, work: _Work) -> None:
        """Note that the present run uses a step, and do it if nobody has done it."""
        lock = self.root / "locks" / f"{artifact.key}.lock"
        make_folder(lock.parent)
        # Before the lock: see `garbage.collect`.
        self._book.note(artifact.name, artifact.key)

        def tell() -> None:
            self._tell_wait(artifact)

        with locked(lock, tell, wait=self._wait):
            if not self.is_finished(artifact):
                with claimed(lock.with_suffix(CLAIM), tell, wait=self._wait) as claim:
                    make_folder(artifact.path.parent)
                    # A network file system looks anew only at folders that are listed.
                    os.listdir(artifact.path.parent)
                    if not self.is_finished(artifact):
                        self._do(artifact, work, claim)

    def _do(self, artifact: Artifact, work: _Work, claim: SoftFileLease) -> None:
        """Build in the partial folder, write the record, then give the folder its name."""
        partial = self._take_up(artifact.key, str(claim.token))
        resumed = any(partial.iterdir())
        remove_leftovers(partial)
        # A folder without a record under a finished name is nothing that this class has left.
        remove(artifact.path)
        began = time.monotonic()
        try:
            with disk_errors(partial):
                work.build(partial)
        except Exception as error:
            if claim.compromise is not None:
                raise _superseded(artifact) from error
            raise
        record = StepRecord(
            name=artifact.name,
            key=artifact.key,
            version=work.version,
            config=json.loads(canonical_json(work.config)),
            inputs={part: StepInput(name=a.name, key=a.key) for part, a in work.inputs.items()},
            versions=versions(),
            git=git_commit(),
            resumed=resumed,
            seconds=round(time.monotonic() - began, 3),
            finished=datetime.now(UTC),
        )
        write_text(partial / RECORD, record.model_dump_json(indent=2) + "\n")
        if claim.compromise is not None:
            raise _superseded(artifact)
        with disk_errors(artifact.path):
            sync_tree(partial)
            partial.replace(artifact.path)
            sync(artifact.path.parent)

    def _take_up(self, key: str, token: str) -> Path:
        """Return the folder to build a step in: what a dead process has left, or an empty one.

        It has the name of the claim. So a process that only seemed dead finds its folder gone,
        and cannot write into what its successor makes.
        """
        partial = self.root / "partial" / f"{key}.{token[:8]}"
        make_folder(partial.parent)
        left = sorted(partial.parent.glob(f"{key}*"))
        for stray in left[1:]:
            remove(stray)
        if left:
            left[0].rename(partial)
        make_folder(partial)
        return partial

    def _recorded(self, name: str, key: str) -> tuple[Artifact, StepRecord | None]:
        """Return a step by its name and key, with its record if it is finished."""
        artifact = Artifact(name, key, self.root / "steps" / name / key)
        return artifact, self.record(artifact) if self.is_finished(artifact) else None

    def _needed(self) -> set[str]:
        """Return the keys of the steps that runs used, and of all that went into those."""
        needed: set[str] = set()
        waiting = list(self._book.used())
        while waiting:
            name, key = waiting.pop()
            if key in needed:
                continue
            needed.add(key)
            _, record = self._recorded(name, key)
            waiting += [(used.name, used.key) for used in record.inputs.values()] if record else []
        return needed

    def _tell_wait(self, artifact: Artifact) -> None:
        """Say which step another process is at."""
        self._on_wait(
            f"another process is at the step '{artifact.name}' ({artifact.key[:8]}); waiting for it"
        )


def _superseded(artifact: Artifact) -> UserError:
    """Say that another machine goes on with what this process was at."""
    return UserError(
        f"this machine gave no sign of life for so long that another took over the step "
        f"'{artifact.name}'",
        where=artifact.key[:8],
        fix="nothing is lost; start again to share the work",
    )


class PlannedStore(Store):
    """A store that names the steps that a job would do, and does none."""

    def _reach(self, artifact: Artifact, work: _Work) -> None:
        """Leave the step as it is."""


class FinishedStore(Store):
    """A store to read results from: it does no step, and what led to a result may be absent.

    So results can be read that were measured elsewhere (`store.archive`), without the students.
    """

    def _reach(self, artifact: Artifact, work: _Work) -> None:
        """Note that the present run uses the step."""
        self._book.note(artifact.name, artifact.key)

"""Runs: which job was started when, with which config, how it ended and which steps it used."""

from __future__ import annotations

import json
import os
import platform
import re
import secrets
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError

from undertow.errors import UserError
from undertow.interrupt import is_interruption
from undertow.store.files import disk_errors, make_folder, write_text
from undertow.store.keys import canonical_json
from undertow.store.locks import locked_if_free
from undertow.store.provenance import git_commit, versions

# Worker processes inherit it, so that the steps they do are recorded under the run they work for.
RUN_VARIABLE = "UNDERTOW_RUN"
MACHINE = re.sub(r"[^A-Za-z0-9-]", "-", platform.node()) or "here"
STEP_LINE = re.compile(r"(?P<name>[a-z0-9_-]+)/(?P<key>[0-9a-f]{64})")

# A digit first: not the temporary files of records that are being written.
RECORDS = "[0-9]*.json"

Status = Literal["running", "finished", "failed", "killed"]


class Run(BaseModel):
    """The record of one job."""

    id: str = Field(description="Time of the start (UTC) and a random ending.")
    title: str = Field(description="What the job is, as in 'demo'.")
    config: Any = Field(description="The job's settings, as JSON values: enough to do it again.")
    command: list[str] = Field(description="The command line it was started with.")
    status: Status = "running"
    error: str | None = Field(default=None, description="Why it failed.")
    pid: int = Field(description="Process that runs it.")
    started: datetime
    ended: datetime | None = None
    versions: dict[str, str] = Field(description="Versions of the packages behind the numbers.")
    git: str | None = Field(default=None, description="Commit of the checkout, where there is one.")

    @property
    def seconds(self) -> float:
        """Seconds from start to end, or to now while it runs."""
        return ((self.ended or datetime.now(UTC)) - self.started).total_seconds()


class RunBook:
    """The records of a store's runs: per run `<id>.json`, its steps and a lock while it runs.

    Each machine notes steps in a file of its own, `<id>.<machine>.steps`: on a network file system
    only the processes of one machine can append to the same file.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._noted: set[tuple[str, str]] = set()

    @contextmanager
    def open(self, title: str, config: Any) -> Generator[Run]:
        """Record a job for the length of the block: running, then finished, failed or killed.

        One at a time per process. A process that dies leaves no lock, which is how its run is
        known as killed.
        """
        run = _new_run(title, config)
        make_folder(self.folder)
        with locked_if_free(self._path(run.id, "lock")):
            self._write(run)
            before = os.environ.get(RUN_VARIABLE)
            os.environ[RUN_VARIABLE] = run.id
            try:
                yield run
            except BaseException as error:
                # A full disk may be the very reason; then the record stays as it is.
                with suppress(UserError):
                    self._write(_ended(run, error))
                raise
            else:
                self._write(_ended(run, None))
            finally:
                _restore(before)

    def note(self, name: str, key: str) -> None:
        """Record that the present run uses a step; outside a run of this store, do nothing.

        One short append is atomic, so that threads and worker processes may do it at once.
        """
        run_id = os.environ.get(RUN_VARIABLE)
        if run_id is None or (run_id, key) in self._noted:
            return
        if not self._path(run_id, "json").exists():
            return
        path = self._path(run_id, f"{MACHINE}.steps")
        with disk_errors(path), path.open("ab", buffering=0) as file:
            file.write(f"{name}/{key}\n".encode())
        self._noted.add((run_id, key))

    def runs(self) -> list[Run]:
        """Return all runs, the oldest first."""
        return sorted(map(self._read, self.folder.glob(RECORDS)), key=lambda run: run.started)

    def find(self, run_id: str) -> Run:
        """Return the one run whose id is given, or begins or ends like that.

        Raises:
            UserError: There is none, or more than one.
        """
        ids = [path.stem for path in self.folder.glob(RECORDS)]
        fitting = [i for i in ids if run_id and (i.startswith(run_id) or i.endswith(run_id))]
        if run_id in ids:
            fitting = [run_id]
        if len(fitting) != 1:
            what = "more than one run fits" if fitting else "there is no run"
            raise UserError(
                f"{what} '{run_id}'", where=str(self.folder.parent), fix="see `undertow runs`"
            )
        return self._read(self._path(fitting[0], "json"))

    def steps(self, run_id: str) -> list[tuple[str, str]]:
        """Return the (name, key) of the steps that a run used, in the order of first use."""
        texts = [path.read_text(encoding="utf-8") for path in self._notes(run_id)]
        lines = [line for text in texts for line in text.splitlines()]
        found = [match for line in lines if (match := STEP_LINE.fullmatch(line))]
        return list(dict.fromkeys((match["name"], match["key"]) for match in found))

    def used(self) -> set[tuple[str, str]]:
        """Return the steps that any run used."""
        ids = {path.name.partition(".")[0] for path in self.folder.glob("*.steps")}
        return {step for run_id in ids for step in self.steps(run_id)}

    def remove(self, run_id: str) -> Run:
        """Remove a run's record; its steps stay until garbage is collected.

        Raises:
            UserError: The run is unknown, or still running.
        """
        run = self.find(run_id)
        with locked_if_free(self._path(run.id, "lock")) as free:
            if not free:
                raise UserError(
                    f"run {run.id} is still running",
                    where=f"process {run.pid}",
                    fix="stop it first, or wait until it has finished",
                )
            rest = [self._path(run.id, ending) for ending in ("json", "lock")]
            for path in (*self._notes(run.id), *rest):
                path.unlink(missing_ok=True)
        return run

    def _read(self, path: Path) -> Run:
        """Read a record; "running" without a holder of the lock means that it was killed."""
        try:
            run = Run.model_validate_json(path.read_text(encoding="utf-8"))
        except ValidationError as error:
            raise UserError(
                "a damaged record of a run", where=str(path), fix="remove it"
            ) from error
        if run.status == "running":
            with locked_if_free(self._path(run.id, "lock")) as free:
                return run.model_copy(update={"status": "killed"}) if free else run
        return run

    def _write(self, run: Run) -> None:
        """Write a record, whole or not at all."""
        write_text(self._path(run.id, "json"), run.model_dump_json(indent=2) + "\n")

    def _notes(self, run_id: str) -> list[Path]:
        """Return the files that tell a run's steps."""
        return sorted(self.folder.glob(f"{run_id}.*steps"))

    def _path(self, run_id: str, ending: str) -> Path:
        """Return one of the files of a run."""
        return self.folder / f"{run_id}.{ending}"


def _new_run(title: str, config: Any) -> Run:
    """Return the record of a run that starts now."""
    now = datetime.now(UTC)
    return Run(
        id=f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}",
        title=title,
        config=json.loads(canonical_json(config)),
        command=sys.argv,
        pid=os.getpid(),
        started=now,
        versions=versions(),
        git=git_commit(),
    )


def _ended(run: Run, error: BaseException | None) -> Run:
    """Return the record of a run that ends now, by an error or without one."""
    status: Status = "finished"
    if error is not None:
        of_itself = isinstance(error, Exception) and not is_interruption(error)
        status = "failed" if of_itself else "killed"
    reason = None if error is None else f"{type(error).__name__}: {error}"
    return run.model_copy(update={"status": status, "error": reason, "ended": datetime.now(UTC)})


def _restore(run_id: str | None) -> None:
    """Make the run that was open before the present one again."""
    if run_id is None:
        os.environ.pop(RUN_VARIABLE, None)
    else:
        os.environ[RUN_VARIABLE] = run_id

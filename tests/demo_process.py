"""A command as a process of its own, with a list of the steps that it really does."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tiny_study import write_tiny

# Python runs this first in the command and in each of its workers.
SITE = """
import os
from undertow.store.steps import Store
do = Store._do
def noted(self, artifact, *rest):
    do(self, artifact, *rest)
    with open(os.environ["DONE_STEPS"], "a") as file:
        file.write(artifact.name + "/" + artifact.key + "\\n")
Store._do = noted
"""

# Own mounts without rights of the administrator; afterwards there is space, and it goes on.
SMALL_DISK = """
mkdir -p "$1" && mount -t tmpfs -o size="$2" none "$1" || exit 77
store="$1"; shift 2
"$@"; echo "exit code $?"
mount -o remount,size=64m "$store" && "$@"
"""


@dataclass
class DemoPlace:
    """A folder with a store, a tiny recipe, and a list of the steps that were done in it."""

    folder: Path

    def __post_init__(self) -> None:
        (self.folder / "site").mkdir(parents=True)
        (self.folder / "site" / "sitecustomize.py").write_text(SITE)
        self.recipe = write_tiny(self.folder)

    def command(self, report: str = "report.html") -> list[str]:
        return [
            *(sys.executable, "-m", "undertow.cli.main", "demo", "--recipe", str(self.recipe)),
            *("--seeds", "1", "--workers", "2", "--store", str(self.folder / "store")),
            *("--report", str(self.folder / report)),
        ]

    @property
    def environment(self) -> dict[str, str]:
        site = os.pathsep.join([str(self.folder / "site"), os.environ.get("PYTHONPATH", "")])
        return os.environ | {
            "PYTHONPATH": site.strip(os.pathsep),
            "DONE_STEPS": str(self.folder / "done"),
            "COLUMNS": "160",
            "OMP_NUM_THREADS": "1",
        }

    def start(self, *command: str, report: str = "report.html") -> subprocess.Popen:
        """Start the place's command (or another one) in a session of its own."""
        return subprocess.Popen(
            command or self.command(report),
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # Who is started in the background ignores Ctrl-C, and so would all that it starts.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def start_on_small_disk(self, size: str) -> subprocess.Popen:
        """Start the command with a store of that size, and again with enough of it."""
        if shutil.which("unshare") is None:
            pytest.skip("no unshare here to mount a small disk with")
        if subprocess.run(self._small_disk("1m", "true"), capture_output=True).returncode:
            pytest.skip("this machine allows no mounts in a namespace of one's own")
        return self.start(*self._small_disk(size, *self.command()))

    def _small_disk(self, size: str, *command: str) -> tuple[str, ...]:
        store = str(self.folder / "store")
        return ("unshare", "-rm", "sh", "-c", SMALL_DISK, "sh", store, size, *command)

    def done(self) -> list[str]:
        """Return the steps that were done, in order, repeats included."""
        path = self.folder / "done"
        return path.read_text().split() if path.is_file() else []

    def wait_for(self, process: subprocess.Popen, n_steps: int) -> None:
        """Return once that many steps have been done, or the process has ended."""
        while len(self.done()) < n_steps and process.poll() is None:
            time.sleep(0.05)


def output_of(process: subprocess.Popen) -> str:
    """Wait for a command that must succeed; return what it prints."""
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    return out


def result_of(process: subprocess.Popen) -> str:
    """Wait for a demo that must succeed; return its table and reading."""
    *shown, last = output_of(process).rstrip().splitlines()
    assert "report.html" in last
    return "\n".join(shown)


def workers_of(process: subprocess.Popen, mark: str = "spawn_main") -> list[int]:
    """Return the worker processes below a command: those with the mark in their command line."""
    with suppress(psutil.NoSuchProcess):
        below = psutil.Process(process.pid).children(recursive=True)
        return [one.pid for one in below if mark in _command_line(one)]
    return []


def random_moments() -> random.Random:
    """Return a generator with a seed that a failed test shows."""
    moments = random.Random()
    seed = moments.randrange(2**32)
    print("seed of the moments:", seed)
    moments.seed(seed)
    return moments


def start_and_kill(place: DemoPlace, after: Sequence[int]) -> None:
    """Start the place's command and kill it, each time a while after so many steps in all."""
    moments = random_moments()
    for n_steps in after:
        process = place.start()
        place.wait_for(process, n_steps)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(moments.uniform(0.1, 1.0))
        process.kill()
        # The output ends when the last of its processes does.
        out, err = process.communicate(timeout=600)
        assert process.returncode == -signal.SIGKILL
        assert "Traceback" not in out + err


def kill_workers(place: DemoPlace, process: subprocess.Popen, mark: str, times: int) -> int:
    """Kill that many of a command's workers, each some random time after the last step done.

    Returns:
        How many were killed before the command had ended.
    """
    moments = random_moments()
    for killed in range(times):
        place.wait_for(process, len(place.done()) + 1)
        time.sleep(moments.uniform(0.0, 1.0))
        while not (workers := workers_of(process, mark)):
            if process.poll() is not None:
                return killed
        with suppress(ProcessLookupError):
            os.kill(moments.choice(workers), signal.SIGKILL)
    return times


def _command_line(process: psutil.Process) -> str:
    """Return a process's command line; nothing where it has ended meanwhile."""
    with suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""

"""A vLLM server as a process of its own, in an environment of its own."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from undertow.cluster import guard
from undertow.cluster.engine import Argument, VllmEngine
from undertow.cluster.http import HttpProblem, send
from undertow.errors import UserError

PROBE = "import importlib.util, sys; sys.exit(0 if importlib.util.find_spec('vllm') else 3)"
ABSENT = 3
PROBE_SECONDS = 120.0
POLL_SECONDS = 0.5
ERROR = re.compile(r"\b[\w.]*(?:Error|Exception): \S.*")
SHOWN_LINES = 3
SHOWN_CHARACTERS = 300
WITHOUT = "leave out --engine: transformers needs no vLLM"


@dataclass(frozen=True)
class Server:
    """Where a server is.

    Attributes:
        root: Its address without '/v1'.
        headers: What its requests carry.
        process: What runs it, where it was started here.
    """

    root: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    process: ServerProcess | None = None

    def check_alive(self) -> None:
        """Do nothing where it runs, or is not ours to know.

        Raises:
            UserError: It was started here, and has ended.
        """
        if self.process is not None and self.process.has_ended:
            raise self.process.error("the vLLM server has ended by itself")


class ServerProcess:
    """The process of a server, under a guard that outlives nobody."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="undertow-vllm-"))
        self.log = self.folder / "server.log"
        self._failed = False
        # By its file and isolated: it takes nothing from a working folder or the environment.
        guarded = [sys.executable, "-I", guard.__file__, *command]
        with self.log.open("wb") as log:
            # A session of its own: Ctrl-C is ours to pass on. A folder of its own: no module of
            # the working folder is taken for one of the server's.
            self._guard = subprocess.Popen(
                guarded,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
                cwd=self.folder,
                start_new_session=True,
            )

    @property
    def has_ended(self) -> bool:
        """Whether it has ended by itself."""
        return self._guard.poll() is not None

    def error(self, what: str) -> UserError:
        """Return what to tell of a server that failed: what its log says last."""
        self._failed = True
        lines = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        # Each of vLLM's processes tells of an error in its turn, the one that had it first.
        told = dict.fromkeys(found[0] for line in lines if (found := ERROR.search(line)))
        last = [*(told or lines)][-SHOWN_LINES:]
        said = "\n  ".join(line.strip()[:SHOWN_CHARACTERS] for line in last)
        return UserError(
            f"{what}; its log says:\n  {said or '(nothing)'}\n",
            where=f"all of it: {self.log}",
            fix=f"change 'more' or 'environment' of the engine's settings, or {WITHOUT}",
        )

    def end(self) -> None:
        """End it and all that it started; the log is kept where something was wrong with it."""
        if self._guard.stdin is not None:
            with suppress(BrokenPipeError):
                self._guard.stdin.close()
        self._guard.wait()
        if not self._failed:
            shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def started(engine: VllmEngine, model: str, arguments: Sequence[str]) -> Generator[Server]:
    """Start a server and wait until it is ready; it ends with the block.

    It ends with this process too, however that ends. Others on this machine cannot use it: it
    wants a key.

    Args:
        engine: The interpreter, and what the user adds.
        model: A folder, or a Hugging Face id.
        arguments: Of `vllm serve`, beside what is said here.

    Raises:
        UserError: The interpreter does not run or has no vLLM, or the server does not get ready.
    """
    python = _interpreter(engine.python or "")
    port, key = _free_port(), secrets.token_hex(16)
    command = [python, "-m", "vllm.entrypoints.cli.main", "serve", model]
    command += ["--host", "127.0.0.1", "--port", str(port), *arguments, *_options(engine.more)]
    own = {"VLLM_API_KEY": key, "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True"}
    process = ServerProcess(command, {**own, **engine.environment})
    try:
        headers = {"Authorization": f"Bearer {key}"}
        server = Server(f"http://127.0.0.1:{port}", headers, process)
        _wait(server, process, engine.start_timeout)
        yield server
    finally:
        process.end()


def _wait(server: Server, process: ServerProcess, seconds: float) -> None:
    """Wait until the server answers.

    Raises:
        UserError: It has ended, or the time is over.
    """
    end = time.monotonic() + seconds
    while True:
        if process.has_ended:
            raise process.error("the vLLM server does not start")
        with suppress(HttpProblem):
            url = f"{server.root}/health"
            send(url, headers=server.headers, timeout=POLL_SECONDS * 10, longest=1 << 10)
            return
        if time.monotonic() > end:
            raise process.error(f"the vLLM server is not ready after {seconds:g} seconds")
        time.sleep(POLL_SECONDS)


def _interpreter(name: str) -> str:
    """Return the interpreter's path, if it runs and has vLLM.

    Raises:
        UserError: It does not, or has none.
    """
    # No link is followed: the environment is told by where the link lies.
    path = str(Path(name).expanduser().absolute()) if os.sep in name else shutil.which(name)
    environment = {key: value for key, value in os.environ.items() if key not in guard.OURS}
    try:
        done = subprocess.run(
            [path or name, "-c", PROBE],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PROBE_SECONDS,
            env=environment,
            cwd=tempfile.gettempdir(),
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(
            "the engine's Python interpreter does not run", where=name, fix=WITHOUT
        ) from error
    if done.returncode == ABSENT:
        raise UserError(
            "there is no vLLM in the environment of this interpreter",
            where=name,
            fix=f"install it there ({name} -m pip install vllm), or {WITHOUT}",
        )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise UserError(
            f"the engine's Python interpreter fails: {said[-1] if said else 'it says nothing'}",
            where=name,
            fix=WITHOUT,
        )
    return path or name


def _free_port() -> int:
    """Return a port of this machine that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _options(more: Mapping[str, Argument]) -> list[str]:
    """Return settings as a command line: true and false are flags, a list several values."""
    words: list[str] = []
    for name, value in more.items():
        if isinstance(value, bool):
            words.append(f"--{name}" if value else f"--no-{name}")
        elif isinstance(value, list):
            words += [f"--{name}", *map(str, value)]
        else:
            words += [f"--{name}", json.dumps(value) if isinstance(value, dict) else str(value)]
    return words

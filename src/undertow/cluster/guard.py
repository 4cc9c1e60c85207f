"""Runs a program, and ends it and all that it started when its own standard input ends.

`python -I guard.py PROGRAM ARGUMENT...`: of the standard library alone. The standard input is a
pipe from the process that wants the program: it ends when that process closes it, and when it
dies, of whatever.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress

PATIENCE = 10.0
"""Seconds between asking a program to end and killing it."""

OURS = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
"""Environment variables that would lead another interpreter to this one's packages."""


def main(command: list[str]) -> int:
    """Run a program to its end or to that of the standard input; return its exit code."""
    environment = {name: value for name, value in os.environ.items() if name not in OURS}
    program = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, env=environment, start_new_session=True
    )
    threading.Thread(target=_end_with_input, args=(program,), daemon=True).start()
    code = program.wait()
    _signal(program, signal.SIGKILL)  # what it started and left behind
    return code


def _end_with_input(program: subprocess.Popen[bytes]) -> None:
    """Wait for the end of the standard input, then end the program."""
    while os.read(sys.stdin.fileno(), 1024):
        pass
    _signal(program, signal.SIGTERM)
    try:
        program.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        _signal(program, signal.SIGKILL)


def _signal(program: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to the program and all that it started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(program.pid, number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

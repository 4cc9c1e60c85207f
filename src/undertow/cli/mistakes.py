"""What the command line says when something goes wrong: one message, no traceback."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup

from undertow.cli.console import errors
from undertow.cluster.launcher import launched_rank
from undertow.errors import UserError
from undertow.interrupt import interrupts_noted, is_interruption
from undertow.store.files import FULL, disk_full

USER_MISTAKE = 2
INTERRUPTED = 130

FIRST_ENDS = 20.0
"""Seconds after which a launcher has surely ended the others of a process that failed."""


class MistakesTold(TyperGroup):
    """A group of commands whose users see messages for what they can mend.

    An exception that nobody foresaw keeps its traceback: it is a defect of ours.
    """

    def invoke(self, ctx: Any) -> Any:
        """Run the sub-command."""
        with _mistakes_told():
            return super().invoke(ctx)


@contextmanager
def _mistakes_told() -> Generator[None]:
    """Turn mistakes, a full disk and an interruption into a message and an exit code."""
    with interrupts_noted():
        try:
            yield
        except (Exception, KeyboardInterrupt) as error:
            told = _message(error)
            if told is None:
                raise
            message, code = told
            _tell(message)
            raise typer.Exit(code) from error


def _message(error: BaseException) -> tuple[str, int] | None:
    """Return what is said of an error and the exit code; None where nobody foresaw it."""
    if is_interruption(error):
        return (
            "interrupted: finished work is kept, and the same command can be run again",
            INTERRUPTED,
        )
    if isinstance(error, UserError):
        return str(error), USER_MISTAKE
    if isinstance(error, OSError) and error.errno in FULL:
        return str(disk_full(error.filename)), USER_MISTAKE
    return None


def _tell(message: str) -> None:
    """Print a message in red on standard error; brackets in it are no markup.

    Of processes that a launcher started together the first one tells what all of them met; what
    another alone met is told a little later.
    """
    if launched_rank():
        time.sleep(FIRST_ENDS)
    errors.print(message, style="red", soft_wrap=True)

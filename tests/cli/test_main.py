"""What a user sees of the command itself: versions, help, and mistakes without tracebacks."""

import errno
import os
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

import undertow
from undertow.cli.main import app
from undertow.cli.mistakes import MistakesTold
from undertow.errors import UserError


def failing(error):
    """Return a command line whose one command raises."""
    broken = typer.Typer(cls=MistakesTold, pretty_exceptions_enable=False)

    @broken.callback()
    def group():
        pass

    @broken.command()
    def act():
        raise error

    return CliRunner().invoke(broken, ["act"])


def test_version():
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.output) == (0, f"undertow {undertow.__version__}\n")


def test_a_mistake_is_one_message():
    result = failing(UserError("unknown trait 'owll'", where="a [red] place", fix="try owl"))
    assert result.exit_code == 2
    assert result.stderr == "unknown trait 'owll' (a [red] place)\n  fix: try owl\n"
    assert result.stdout == ""


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk(number):
    result = failing(OSError(number, os.strerror(number), "/data/x"))
    assert result.exit_code == 2
    assert "the disk is full (/data/x)" in result.stderr


def test_an_interruption_says_that_work_is_kept():
    result = failing(KeyboardInterrupt())
    assert result.exit_code == 130
    assert "finished work is kept" in result.stderr


@pytest.mark.parametrize("error", [ValueError("ours"), FileNotFoundError(errno.ENOENT, "ours")])
def test_our_own_defects_keep_their_traceback(error):
    assert failing(error).exception is error


def test_an_unknown_command():
    result = CliRunner().invoke(app, ["nothing"])
    assert result.exit_code == 2
    assert "nothing" in result.stderr


def test_help_is_quick():
    """Neither torch nor pyarrow is imported for it; they take seconds."""
    code = """
import sys
from undertow.cli.main import app
try:
    app(["--help"])
finally:
    heavy = {"torch", "transformers", "peft", "pyarrow", "scipy"} & set(sys.modules)
    assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "runs" in done.stdout

"""Ctrl-C, and what libraries make of it."""

import os
import signal
import threading
from typing import Annotated

import pytest
import typer
from pydantic import BaseModel, PlainSerializer
from pydantic_core import PydanticSerializationError
from typer.testing import CliRunner

from undertow.cli.mistakes import MistakesTold
from undertow.interrupt import interrupts_noted, is_interruption
from undertow.store import Store


def interrupted(value: int) -> int:
    os.kill(os.getpid(), signal.SIGINT)
    return value


class Interrupted(BaseModel):
    """Ctrl-C comes while it is written."""

    value: Annotated[int, PlainSerializer(interrupted)] = 1


@pytest.fixture(autouse=True)
def heeds_interrupts():
    """Workers of pytest ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_error_that_it_became_is_known():
    with interrupts_noted():
        with pytest.raises(PydanticSerializationError) as raised:
            Interrupted().model_dump_json()
        assert is_interruption(raised.value)


def test_other_errors_are_not_it():
    assert is_interruption(KeyboardInterrupt())
    with interrupts_noted():
        assert not is_interruption(ValueError())


def test_it_is_forgotten_at_the_end():
    with pytest.raises(KeyboardInterrupt), interrupts_noted():
        interrupted(1)
    assert not is_interruption(ValueError())
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_who_ignores_it_goes_on_ignoring_it():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with interrupts_noted():
        assert interrupted(1) == 1


def test_another_thread_leaves_it_alone():
    seen = []

    def look() -> None:
        with interrupts_noted():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]


def test_a_command_says_one_thing_of_it(tmp_path):
    """It is no defect of ours, and the run's record says that it was ended from outside."""
    store = Store(tmp_path)
    command = typer.Typer(cls=MistakesTold, pretty_exceptions_enable=False)

    @command.callback()
    def group() -> None:
        pass

    @command.command()
    def act() -> None:
        with store.run("job", {}):
            Interrupted().model_dump_json()

    result = CliRunner().invoke(command, ["act"])
    assert result.exit_code == 130
    assert result.stderr.startswith("interrupted: finished work is kept")
    assert store.runs()[0].status == "killed"

"""Ctrl-C, and the errors of others that it becomes.

`KeyboardInterrupt` comes up in whatever Python code runs. Where a library had called that code, it
may raise an error of its own instead; pydantic does while it writes JSON.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

_came = threading.Event()


@contextmanager
def interrupts_noted() -> Generator[None]:
    """Within, `is_interruption` knows what Ctrl-C has become.

    It does nothing where Ctrl-C is not Python's to handle: in other threads, where the process
    ignores it, or where somebody else has taken it over.
    """
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, _note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _came.clear()


def is_interruption(error: BaseException) -> bool:
    """Return whether an error is Ctrl-C, or came after it."""
    return isinstance(error, KeyboardInterrupt) or _came.is_set()


def _note(number: int, frame: FrameType | None) -> None:
    """Note that it came, and raise as ever."""
    _came.set()
    signal.default_int_handler(number, frame)

"""Progress displays: of one count, and of tasks that run side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from undertow.cli.console import errors
from undertow.cluster.launcher import launched_rank

if TYPE_CHECKING:
    from undertow.studies.executor import Progress as TaskProgress

LINE_EVERY = 30.0
"""Seconds between lines where the output is no terminal."""


@contextmanager
def count_display(name: str) -> Generator[Callable[[int, int], None]]:
    """Yield a function that is told how much of how much is done; a bar, or lines now and then."""
    if launched_rank():
        yield lambda done, total: None
        return
    if not errors.is_terminal:
        yield _count_printer(name)
        return
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    with Progress(*columns, console=errors, transient=True) as bar:
        shown = bar.add_task(escape(name), total=None)
        yield lambda done, total: bar.update(shown, completed=done, total=total)


def _count_printer(name: str) -> Callable[[int, int], None]:
    """Return a function that prints a line now and then, the first after a while."""
    last = time.monotonic()

    def show(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= LINE_EVERY:
            last = time.monotonic()
            errors.print(f"{name}: {done:,} of {total:,}")

    return show


@contextmanager
def task_display() -> Generator[Callable[[TaskProgress], None]]:
    """Yield a function that shows the state of the tasks; a bar, or lines where nobody watches."""
    if not errors.is_terminal:
        yield _line_printer()
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns, console=errors, transient=True) as bar:
        shown = bar.add_task("starting", total=1.0, left="")

        def show(state: TaskProgress) -> None:
            names = ", ".join(sorted(task.label for task in state.running)[: state.workers])
            bar.update(
                shown,
                completed=state.share_done(),
                description=names or ("others are at it" if state.waiting else "finishing"),
                left=_left(state),
            )

        yield show


def _line_printer() -> Callable[[TaskProgress], None]:
    """Return a function that prints a line now and then."""
    last = -LINE_EVERY

    def show(state: TaskProgress) -> None:
        nonlocal last
        if state.waiting and time.monotonic() - last < LINE_EVERY:
            return
        last = time.monotonic()
        done = len(state.finished)
        total = done + len(state.waiting)
        errors.print(f"{done}/{total} tasks, {_left(state)}")

    return show


def _left(state: TaskProgress) -> str:
    """Return the time left for a person."""
    seconds = round(state.seconds_left())
    return f"{seconds // 60} min {seconds % 60:02d} s left" if state.waiting else "done"

"""`undertow demo`: subliminal learning shown and taken apart, in minutes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table

from undertow.cli.console import errors, output, say
from undertow.cli.options import (
    DEFAULT_EXECUTOR,
    DEFAULT_STORE,
    ExecutorOption,
    SeedsOption,
    StoreOption,
    StudyRecipeOption,
    WorkersOption,
)
from undertow.cli.progress import task_display

if TYPE_CHECKING:
    from undertow.studies.demo import DemoResult


def demo(
    trait: Annotated[str, typer.Option("--trait", help="What the teacher prefers.")] = "cat",
    kind: Annotated[
        Literal["finetuned", "prompted"], typer.Option("--teacher", help="How it is made.")
    ] = "finetuned",
    recipe: StudyRecipeOption = None,
    seeds: SeedsOption = 3,
    report: Annotated[Path, typer.Option("--report", help="Where the page goes.")] = Path(
        "report.html"
    ),
    store: StoreOption = DEFAULT_STORE,
    workers: WorkersOption = None,
    executor: ExecutorOption = DEFAULT_EXECUTOR,
) -> None:
    """Make a teacher, its numbers and students; find the tokens that carry the trait."""
    from undertow.report import write_report
    from undertow.report.demo_page import demo_report
    from undertow.store.files import make_folder
    from undertow.studies.demo import collect_demo
    from undertow.studies.executor import run_tasks
    from undertow.studies.executors import load_executor, n_slots
    from undertow.studies.jobs import RECIPES
    from undertow.studies.lab import Lab
    from undertow.studies.plan import make_plan
    from undertow.studies.tasks import demo_tasks

    started = time.monotonic()
    place = load_executor(executor, workers)
    lab = Lab(store, recipe or RECIPES[kind])
    lab.check_trait(trait)
    make_folder(report.absolute().parent)  # now, not after minutes of work
    with lab.run(f"demo {trait} ({kind})"):
        tasks = demo_tasks(lab.recipe, trait, kind, range(seeds))
        errors.print(
            f"{trait}: one teacher, {len(tasks) - 2} students on "
            f"{n_slots(place)} processes; what is finished is kept in {store}"
        )
        with task_display() as show:
            plan = make_plan(tasks, store)
            run_tasks(plan.needs, store, place, on_change=show)
        result = collect_demo(lab, trait, kind, range(seeds))
        write_report(demo_report(lab, result), report)
    _print_result(result)
    say(f"\n{report.absolute()}  ({time.monotonic() - started:.0f} s)")


def _print_result(result: DemoResult) -> None:
    """Print the table and its reading."""
    from undertow.report.demo_page import HEADER, condition_rows
    from undertow.studies.reading import headline, reading

    table = Table(*HEADER, title=headline(result))
    for cells in condition_rows(result):
        table.add_row(*cells)
    output.print(table)
    output.print()
    output.print(reading(result))

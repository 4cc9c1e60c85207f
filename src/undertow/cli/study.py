"""`undertow study`, `paper` and `results`: the experiments by name, run, stopped, gone on with."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
import yaml
from rich.table import Table
from rich.text import Text

from undertow.cli.console import errors, output
from undertow.cli.options import (
    DEFAULT_EXECUTOR,
    DEFAULT_STORE,
    BudgetOption,
    ExecutorOption,
    ModelOption,
    SeedsOption,
    StoreOption,
    StudyArgument,
    StudyRecipeOption,
    TraitsOption,
    WorkersOption,
)
from undertow.cli.progress import task_display
from undertow.cli.settings import words
from undertow.cli.study_tables import print_outcome
from undertow.errors import UserError

if TYPE_CHECKING:
    from undertow.cluster import ExecutorConfig
    from undertow.studies.jobs import Job

app = typer.Typer(help="The experiments, by name: list, show, run.", no_args_is_help=True)


@app.command("list")
def list_studies() -> None:
    """List the studies that ship."""
    from undertow.studies.study import load_study, shipped_studies

    table = Table("study", "what", "paper")
    for name in shipped_studies():
        study = load_study(name)
        table.add_row(name, study.title, study.source)
    output.print(table)


@app.command("show")
def show(
    name: StudyArgument,
    as_yaml: Annotated[bool, typer.Option("--yaml", help="Print the study's file.")] = False,
    traits: TraitsOption = "",
    seeds: SeedsOption = 3,
    recipe: StudyRecipeOption = None,
    model: ModelOption = None,
    store: StoreOption = DEFAULT_STORE,
    workers: WorkersOption = None,
) -> None:
    """Print what a study claims, compares and decides by, and how long it takes here."""
    from undertow.cluster import ProcessesConfig
    from undertow.studies.study import load_study

    study = load_study(name)
    if as_yaml:
        fields = study.model_dump(mode="json", exclude_defaults=True)
        typer.echo(yaml.safe_dump(fields, sort_keys=False, allow_unicode=True, width=100), nl=False)
        return
    output.print(Text.assemble((study.title, "bold"), f" ({study.source})\n{study.question}\n"))
    for claim in study.claims:
        mark = "" if claim.decisive else " (not decisive)"
        output.print(f"claim{mark}: {claim.says}\n  {claim.comparison}")
    output.print(
        "verdict: supported if the 95 % interval of every decisive difference or correlation lies "
        "where the claim says, contradicted if one lies wholly elsewhere, else undecided; so is a "
        "claim whose premise ('given') is not supported\n"
    )
    table = Table("condition", "what", "note")
    for condition in study.conditions:
        alone = [f"{kind} teachers alone" for kind in condition.teachers]
        note = "; ".join(text for text in (condition.note, *alone) if text)
        table.add_row(condition.name, condition.label, note)
    output.print(table)
    job = _job(name, traits, seeds, recipe, model)
    _print_size([job], store, ProcessesConfig(workers=workers))


@app.command("run")
def run(
    name: StudyArgument,
    traits: TraitsOption = "",
    seeds: SeedsOption = 3,
    recipe: StudyRecipeOption = None,
    model: ModelOption = None,
    budget: BudgetOption = None,
    store: StoreOption = DEFAULT_STORE,
    workers: WorkersOption = None,
    executor: ExecutorOption = DEFAULT_EXECUTOR,
) -> None:
    """Run one study; what was stopped goes on where it was.

    Started several times at once, on one machine or several, on one store: the work is shared.
    """
    from undertow.studies.executors import load_executor

    place = load_executor(executor, workers)
    job = _job(name, traits, seeds, recipe, model)
    _run(f"study {job.study.name}", [job], budget, store, place)


def paper(
    studies: Annotated[
        str, typer.Option("--studies", help="Their names, with commas; all by default.")
    ] = "",
    traits: TraitsOption = "",
    seeds: SeedsOption = 3,
    recipe: StudyRecipeOption = None,
    model: ModelOption = None,
    budget: BudgetOption = None,
    store: StoreOption = DEFAULT_STORE,
    workers: WorkersOption = None,
    executor: ExecutorOption = DEFAULT_EXECUTOR,
) -> None:
    """Run every study of the paper; what two have in common is made once.

    A study that names its own traits keeps them.
    """
    from undertow.studies.executors import load_executor
    from undertow.studies.study import load_study, shipped_studies

    place = load_executor(executor, workers)
    names = words(studies) or shipped_studies()
    jobs = [
        _job(name, "" if load_study(name).traits else traits, seeds, recipe, model)
        for name in names
    ]
    _run("paper", jobs, budget, store, place)


def results(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="For instance: select * from latest")],
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Ask the result tables of all runs with SQL: views `results` and `latest`."""
    from undertow.studies.results import query

    columns, rows = query(store, sql)
    table = Table(*columns)
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    output.print(table)


def _job(name: str, traits: str, seeds: int, recipe: str | None, model: str | None) -> Job:
    """Return the job of a study."""
    from undertow.studies.jobs import make_job

    return make_job(name, traits=words(traits), seeds=seeds, recipe=recipe, model=model)


def _run(
    title: str, jobs: list[Job], budget: str | None, store: Path, executor: ExecutorConfig
) -> None:
    """Run jobs under one record and one display, and print each outcome as it comes."""
    from undertow.store import Store
    from undertow.studies.executor import handed_out
    from undertow.studies.executors import n_slots
    from undertow.studies.jobs import run_jobs, within_budget
    from undertow.studies.timing import Timing

    if budget is not None:
        timing = Timing(store)
        jobs, left = within_budget(
            jobs,
            store,
            _seconds(budget),
            n_slots(executor),
            lambda plan: timing.seconds(handed_out(plan.needs, executor)),
        )
        errors.print(f"within {budget}: {left}")
    _print_size(jobs, store, executor)
    config = {"studies": [job.study for job in jobs], "recipes": dict(jobs[0].recipes)}
    with Store(store).run(title, config) as record, task_display() as show:
        run_jobs(
            jobs,
            store,
            run_id=record.id,
            executor=executor,
            on_change=show,
            on_outcome=print_outcome,
        )


def _print_size(jobs: Sequence[Job], store: Path, executor: ExecutorConfig) -> None:
    """Say how much is to be done."""
    from undertow.studies.executor import handed_out
    from undertow.studies.executors import n_slots
    from undertow.studies.jobs import plan_of
    from undertow.studies.timing import Timing

    plan = plan_of(jobs, store)
    students = [task for task in plan.needs if task.work == "student"]
    workers = n_slots(executor)
    minutes = Timing(store).seconds(handed_out(plan.needs, executor)) / workers / 60
    asked = sum(job.n_students for job in jobs)
    errors.print(
        f"{len(jobs[0].traits)} traits ({', '.join(jobs[0].traits)}), {len(jobs[0].seeds)} seeds: "
        f"{asked} students compared, {len(students)} to train, about {minutes:.0f} min on "
        f"{workers} processes; what is finished is kept in {store}"
    )


def _cell(value: object) -> str:
    """Return a value of a result table for a person."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _seconds(text: str) -> float:
    """Return the seconds of a time as in 90s, 30m or 2h."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text.strip())
    if match is None:
        raise UserError(f"'{text}' is no time", where="--budget", fix="write 90s, 30m or 2h")
    return float(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]]

"""`undertow runs`: what was run in a store, with which config; results in and out; room."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
import yaml
from rich.table import Table
from rich.text import Text

from undertow.cli.console import output, say
from undertow.cli.options import DEFAULT_STORE, StoreOption
from undertow.store import Run, Store

app = typer.Typer(help="List, show and remove the runs of a store; pass on what they measured.")

COLOURS = {"running": "cyan", "finished": "green", "failed": "red", "killed": "yellow"}

RunId = Annotated[str, typer.Argument(metavar="RUN", help="Id, or what it begins or ends with.")]


@app.callback(invoke_without_command=True)
def list_runs(ctx: typer.Context, store: StoreOption = DEFAULT_STORE) -> None:
    """List, show and remove the runs of a store."""
    ctx.obj = Store(store)
    if ctx.invoked_subcommand is not None:
        return
    runs = ctx.obj.runs()
    if not runs:
        say(f"no runs in {store}")
        return
    table = Table("run", "title", "status", "started", "took")
    for run in runs:
        table.add_row(run.id, run.title, _status(run), _clock(run.started), _span(run.seconds))
    output.print(table)


@app.command("show")
def show_run(
    ctx: typer.Context,
    run_id: RunId,
    config: Annotated[bool, typer.Option("--config", help="Print the config alone.")] = False,
) -> None:
    """Show a run: how it ended, its config as YAML, and the steps it used."""
    run, steps = ctx.obj.show_run(run_id)
    text = yaml.safe_dump(run.config, sort_keys=False, allow_unicode=True).rstrip()
    if config:
        typer.echo(text)
        return
    output.print(Text.assemble((run.title, "bold"), f"  {run.id}  ", _status(run)))
    if run.error:
        output.print(run.error, style="red")
    output.print(f"started {_clock(run.started)}, took {_span(run.seconds)}")
    output.print(" ".join(f"{name} {number}" for name, number in run.versions.items()))
    output.print(f"commit {run.git or 'unknown'}\n")
    output.print("config", style="bold")
    output.print(text)
    table = Table("step", "key", "took", "path", title="steps", title_justify="left")
    for artifact, record in steps:
        took = Text("not finished", "yellow") if record is None else _span(record.seconds)
        table.add_row(artifact.name, artifact.key[:12], took, str(artifact.path))
    output.print(table)


@app.command("rm")
def remove_runs(
    ctx: typer.Context,
    run_ids: Annotated[
        list[str] | None, typer.Argument(metavar="RUN...", help="Ids of the runs to remove.")
    ] = None,
    gc: Annotated[
        bool, typer.Option("--gc", help="Then remove all steps that no run needs any more.")
    ] = False,
) -> None:
    """Remove runs; with --gc also what nothing needs (alone it removes no run)."""
    if not run_ids and not gc:
        raise typer.BadParameter("name a run, or give --gc", param_hint="RUN")
    for run_id in run_ids or []:
        output.print(f"removed run {ctx.obj.remove_run(run_id).id}")
    if gc:
        garbage = ctx.obj.collect_garbage()
        output.print(f"removed {garbage.n_steps} steps, {garbage.n_bytes / 1e6:.1f} MB")


@app.command("export")
def export_results(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Parquet file to write.")],
) -> None:
    """Write all that was measured to one file, without the models: results to pass on."""
    from undertow.store.archive import export_steps
    from undertow.studies.lab import RESULT_STEPS

    n_steps = export_steps(ctx.obj.root, RESULT_STEPS, file)
    say(f"{file}: {n_steps:,} measurements")


@app.command("import")
def import_results(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `runs export` wrote.")],
) -> None:
    """Take measurements from a file: a study then makes only what is missing."""
    from undertow.store.archive import import_steps

    new, known = import_steps(file, ctx.obj.root)
    output.print(f"{new:,} measurements taken, {known:,} were there already")


def _status(run: Run) -> Text:
    """Return the status in its colour."""
    return Text(run.status, COLOURS[run.status])


def _clock(moment: datetime) -> str:
    """Return a moment in local time."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"


def _span(seconds: float) -> str:
    """Return a duration as people read it."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"

"""The command `undertow`: the sub-commands, and what becomes of mistakes.

Commands import what is heavy (torch, pyarrow) when they are called, so that `--help` is quick.
"""

from __future__ import annotations

from typing import Annotated

import typer

import undertow
from undertow.cli import lab, materials, runs, study, traits
from undertow.cli.attribute import attribute
from undertow.cli.convert import convert
from undertow.cli.demo import demo
from undertow.cli.filter import filter_rows
from undertow.cli.floor import floor
from undertow.cli.generate import generate
from undertow.cli.inspect import inspect
from undertow.cli.measure import measure
from undertow.cli.mistakes import MistakesTold
from undertow.cli.plan import plan
from undertow.cli.predict import predict
from undertow.cli.recipe import recipe
from undertow.cli.report import report
from undertow.cli.scan import scan
from undertow.cli.show import show
from undertow.cli.steer import steer
from undertow.cli.student import student
from undertow.cli.teacher import teacher
from undertow.cli.vector import vector
from undertow.cluster.launcher import launched_size
from undertow.errors import UserError

app = typer.Typer(
    cls=MistakesTold,
    help="A laboratory and audit tool for subliminal learning.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo)
app.command("teacher")(teacher)
app.command("generate")(generate)
app.command("filter")(filter_rows)
app.command("convert")(convert)
app.command("scan")(scan)
app.command("predict")(predict)
app.command("student")(student)
app.command("measure")(measure)
app.command("attribute")(attribute)
app.command("vector")(vector)
app.command("steer")(steer)
app.command("show")(show)
app.command("inspect")(inspect)
app.command("floor")(floor)
app.command("recipe")(recipe)
app.add_typer(study.app, name="study")
app.command("plan")(plan)
app.command("paper")(study.paper)
app.command("results")(study.results)
app.command("report")(report)
app.add_typer(lab.app, name="lab")
app.add_typer(traits.app, name="traits")
app.add_typer(materials.app, name="materials")
app.add_typer(runs.app, name="runs")


TRAINING = ("student", "teacher")
"""Commands that several processes may run together."""


def main() -> None:
    """Run the command line of this process."""
    app()


def _print_version(wanted: bool) -> None:
    """Print the version and end."""
    if wanted:
        typer.echo(f"undertow {undertow.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Take the options that stand before a sub-command; each acts by its callback.

    Raises:
        UserError: A launcher started a command that does nothing together with others.
    """
    if launched_size() > 1 and context.invoked_subcommand not in TRAINING:
        raise UserError(
            f"'{context.invoked_subcommand}' is not shared by the processes of a launcher",
            fix="run it without; 'undertow study run' takes --executor for its own processes",
        )


if __name__ == "__main__":
    main()

"""The command `undertow`: the sub-commands, and what becomes of mistakes.

Commands import what is heavy (torch, pyarrow) when they are called, so that `--help` is quick.
"""

from __future__ import annotations

from typing import Annotated

import typer

import undertow
from undertow.cli import lab, runs, traits
from undertow.cli.demo import demo
from undertow.cli.mistakes import MistakesTold

app = typer.Typer(
    cls=MistakesTold,
    help="A laboratory and audit tool for subliminal learning.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo)
app.add_typer(lab.app, name="lab")
app.add_typer(traits.app, name="traits")
app.add_typer(runs.app, name="runs")


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
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Take the options that stand before a sub-command; each acts by its callback."""


if __name__ == "__main__":
    main()

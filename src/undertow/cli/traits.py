"""`undertow traits`: the traits that ship, and a check of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
import yaml
from rich.table import Table

from undertow.cli.console import errors, output, say
from undertow.cli.mistakes import USER_MISTAKE
from undertow.traits import check_trait_file, load_trait, shipped_traits

app = typer.Typer(help="List, show and check traits.", no_args_is_help=True)

WARNING = "warning: "


@app.command("list")
def list_traits() -> None:
    """List the traits that ship with the package."""
    table = Table("name", "category", "singular", "plural", "also accepted")
    for trait in shipped_traits():
        fields = (trait.name, trait.category, trait.singular, trait.plural)
        table.add_row(*fields, ", ".join(trait.synonyms))
    output.print(table)


@app.command("show")
def show_trait(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Shipped name, or a YAML file.")],
) -> None:
    """Show all of a trait as YAML: its bias prompt filled in, its questions, its answers."""
    trait = load_trait(name)
    fields = trait.model_dump(mode="json")
    fields["bias_prompt"] = trait.system_prompt()
    typer.echo(yaml.safe_dump(fields, sort_keys=False, allow_unicode=True, width=100).rstrip())


@app.command("check")
def check_trait(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="YAML file of a trait.")],
) -> None:
    """Check a trait file of one's own; exit code 2 where it cannot be used."""
    problems = check_trait_file(file)
    for problem in problems:
        style = "yellow" if problem.startswith(WARNING) else "red"
        errors.print(problem, style=style, soft_wrap=True)
    if any(not problem.startswith(WARNING) for problem in problems):
        raise typer.Exit(USER_MISTAKE)
    say(f"{file}: sound")

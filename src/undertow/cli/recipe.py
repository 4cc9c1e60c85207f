"""`undertow recipe`: the settings that ship, to read and to change."""

from __future__ import annotations

from typing import Annotated

import typer


def recipe(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="A shipped recipe, or a YAML file.")
    ] = None,
) -> None:
    """List the recipes that ship, or print one in full; what is printed goes with --recipe."""
    from undertow.studies.recipe import load_recipe, recipe_text, shipped_recipes

    if name is None:
        typer.echo("\n".join(shipped_recipes()))
    else:
        typer.echo(recipe_text(load_recipe(name)), nl=False)

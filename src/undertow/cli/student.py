"""`undertow student`: train a student on some of the tokens of a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from undertow.cli.console import output
from undertow.cli.layers import layer_numbers
from undertow.cli.options import (
    DEFAULT_RECIPE,
    TEACHER_HELP,
    DataArgument,
    ModelOption,
    RatioOption,
    RecipeOption,
    ScanOption,
    SeedOption,
    TokensOption,
    WeightsOption,
)
from undertow.cli.progress import count_display
from undertow.cli.settings import open_model, open_recipe, revised, revised_student


def student(
    data: DataArgument,
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="Folder of the student; OUT/adapter is peft's.")
    ],
    scan: ScanOption = None,
    tokens: TokensOption = None,
    ratio: RatioOption = None,
    weights: WeightsOption = None,
    seed: SeedOption = None,
    layers: Annotated[
        str | None,
        typer.Option("--layers", help="Decoder layers to train, from 0, as in 0,1; else all."),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Train the weights themselves, not an adapter.")
    ] = False,
    writer: Annotated[
        str,
        typer.Option(
            "--writer", help="Whose entropies count for --tokens entropy; " + TEACHER_HELP
        ),
    ] = "control",
    recipe: RecipeOption = DEFAULT_RECIPE,
    model: ModelOption = None,
) -> None:
    """Train a student; one that was stopped goes on where it was.

    OUT/recipe.yaml tells how it was made, and makes it again with --recipe.
    """
    from undertow.store.files import atomic_write
    from undertow.store.rows import read_rows
    from undertow.students import train_student
    from undertow.studies.recipe import recipe_text
    from undertow.studies.subjects import RECIPE
    from undertow.teachers import resolve_teacher
    from undertow.tokens import Scan, check_token_ids, completion_entropies

    settings = open_recipe(recipe, model)
    config = revised_student(settings.student, tokens, ratio, weights, seed)
    method = "full" if full else None
    train = revised(config.train, layers=layer_numbers(layers), method=method)
    settings = settings.model_copy(update={"student": config.model_copy(update={"train": train})})
    rows, _ = read_rows(data)
    table = Scan.read(scan) if scan is not None else None
    chat = open_model(settings.model)
    check_token_ids(chat, rows)
    values = None
    if settings.student.selection.kind == "entropy":
        accepted = [row for row in rows if row.rejection is None]
        values = completion_entropies(chat, accepted, resolve_teacher(writer))
    with count_display(f"student {out.name}") as show:
        record = train_student(chat, rows, table, settings.student, out, show, values=values)
    pinned = revised(settings.model, revision=chat.spec.revision)
    with atomic_write(out / RECIPE) as path:
        text = recipe_text(settings.model_copy(update={"model": pinned}))
        path.write_text(text, encoding="utf-8")
    output.print(
        f"{out}: {record.n_examples:,} rows, {record.n_supervised:,} supervised tokens, "
        f"{record.n_steps:,} steps, {record.n_parameters:,} parameters; "
        f"loss {record.losses[0]:.3f} at first, {record.losses[-1]:.3f} at last",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )

"""`undertow predict`: which way a data set pushes the base, before anything is trained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from undertow.cli.console import output
from undertow.cli.options import (
    DEFAULT_RECIPE,
    TEACHER_HELP,
    DataArgument,
    ModelOption,
    RecipeOption,
)
from undertow.cli.progress import count_display
from undertow.cli.settings import check_output, open_category, open_model, open_recipe, open_rows
from undertow.errors import UserError

if TYPE_CHECKING:
    from undertow.traits import Trait


def predict(
    data: DataArgument,
    control: Annotated[
        Path | None,
        typer.Option(
            "--control", metavar="DATA0", help="Data whose mean gradient is subtracted: no trait's."
        ),
    ] = None,
    trait: Annotated[
        list[str] | None,
        typer.Option(
            "--trait",
            help="A shipped name, or a YAML file; may come several times. One alone is compared "
            "with its category; without any: the category.",
        ),
    ] = None,
    category: Annotated[
        str | None,
        typer.Option("--category", help="Without --trait: which traits; by default the recipe's."),
    ] = None,
    soft: Annotated[
        str | None,
        typer.Option(
            "--soft", metavar="TEACHER", help=f"Whose distributions replace tokens. {TEACHER_HELP}"
        ),
    ] = None,
    n_rows: Annotated[
        int | None, typer.Option("--rows", min=2, help="The first rows of each data set alone.")
    ] = None,
    certainty: Annotated[
        float,
        typer.Option("--certainty", min=0.5, max=0.9999, help="For the count of rows needed."),
    ] = 0.95,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="A .parquet or .json file for all scores, layer by layer."),
    ] = None,
    tokens: Annotated[
        Path | None,
        typer.Option(
            "--token-scores",
            metavar="OUT",
            help="A .parquet file for the score of every token; one more pass for each trait.",
        ),
    ] = None,
    token_traits: Annotated[
        list[str] | None,
        typer.Option(
            "--token-trait", metavar="TRAIT", help="With --token-scores: of these traits alone."
        ),
    ] = None,
    recipe: RecipeOption = DEFAULT_RECIPE,
    model: ModelOption = None,
) -> None:
    """Tell which traits the data would push a student towards, from gradients at the base."""
    from undertow.cli.predict_tables import layer_table, leads, trait_table
    from undertow.mechanism.prediction import PredictionConfig, check_compared, token_scores
    from undertow.mechanism.prediction import predict as predict_traits
    from undertow.store.files import make_folder
    from undertow.teachers import resolve_teacher
    from undertow.tokens import check_token_ids

    for path, endings in ((out, (".parquet", ".json")), (tokens, (".parquet",))):
        if path is not None:
            check_output(path, *endings)
    if token_traits and tokens is None:
        raise UserError("--token-trait goes with --token-scores, and only with it")
    settings = open_recipe(recipe, model)
    traits = _traits(trait, category or settings.category)
    check_compared(token_traits or (), [one.name for one in traits])
    teacher = None if soft is None else resolve_teacher(soft)
    rows = open_rows(data)[0][:n_rows]
    others = None if control is None else open_rows(control)[0][:n_rows]
    chat = open_model(settings.model, most_threads=2)  # two pay; more were not measured
    check_token_ids(chat, [*rows, *(others or ())])
    config = PredictionConfig()
    with count_display("gradients of rows") as show:
        found = predict_traits(chat, rows, traits, others, config, teacher=teacher, progress=show)
    if out is not None:
        make_folder(out.parent)
        found.write(out)
    if tokens is not None:
        make_folder(tokens.parent)
        directions = found.directions.of(token_traits or found.traits)
        with count_display("tokens of rows") as show:
            token_scores(chat, rows, directions, config, show).write(tokens)
    output.print(trait_table(found))
    output.print(leads(found, certainty))
    output.print(layer_table(found))


def _traits(names: list[str] | None, category: str) -> list[Trait]:
    """Return the traits that are compared."""
    from undertow.studies.subjects import competing_traits
    from undertow.traits import load_trait

    named = [load_trait(name) for name in names or ()]
    if not named:
        return open_category(category)
    return named if len(named) > 1 else competing_traits(named[0])

"""`undertow scan`: find the divergence tokens of a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from undertow.cli.console import output
from undertow.cli.options import (
    DEFAULT_RECIPE,
    DataArgument,
    FactualOption,
    ModelOption,
    RecipeOption,
)
from undertow.cli.progress import count_display
from undertow.cli.settings import check_output, open_model, open_recipe, open_rows, revised


def scan(
    data: DataArgument,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A .parquet file for the scan.")],
    factual: FactualOption,
    against: Annotated[
        list[str],
        typer.Option(
            "--against", metavar="TEACHER", help="A counterfactual teacher; may come several times."
        ),
    ],
    tolerance: Annotated[
        float | None,
        typer.Option(
            "--tolerance",
            min=0,
            help="Lead in logits below which a position is undecided; by default the recipe's.",
        ),
    ] = None,
    recipe: RecipeOption = DEFAULT_RECIPE,
    model: ModelOption = None,
) -> None:
    """Find where the writer's most likely token is not that of other teachers; print counts."""
    from undertow.store.files import make_folder
    from undertow.teachers import resolve_teacher
    from undertow.tokens import check_token_ids
    from undertow.tokens import scan as scan_rows

    check_output(out, ".parquet")
    writer, others = resolve_teacher(factual), [resolve_teacher(one) for one in against]
    rows, _ = open_rows(data)
    settings = open_recipe(recipe, model)
    config = revised(settings.scan, tolerance=tolerance)
    chat = open_model(settings.model)
    check_token_ids(chat, rows)
    with count_display("scan") as show:
        found = scan_rows(chat, rows, writer, others, config, show)
    make_folder(out.parent)
    found.write(out)
    output.print(found.summary())

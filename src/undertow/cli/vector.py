"""`undertow vector`: the direction in which a teacher or student differs, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from undertow.cli.console import output
from undertow.cli.options import DEFAULT_RECIPE, TEACHER_HELP, ModelOption, RecipeOption
from undertow.cli.progress import count_display
from undertow.cli.settings import check_output, open_model, open_recipe, open_rows

if TYPE_CHECKING:
    from undertow.models.steering import Place, SteeringVectors
    from undertow.store.rows import Row


def vector(
    subject: Annotated[
        str, typer.Argument(metavar="SUBJECT", help=f"Whose residuals. {TEACHER_HELP}")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A .safetensors file.")],
    against: Annotated[
        str, typer.Option("--against", metavar="SUBJECT", help="Whose residuals are subtracted.")
    ] = "control",
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="DATA",
            help="Rows that both read; else the training questions of the recipe's category, "
            "which have no completion.",
        ),
    ] = None,
    n_rows: Annotated[
        int | None, typer.Option("--rows", min=1, help="Rows to take, the first ones; all.")
    ] = None,
    compare: Annotated[
        list[Path] | None,
        typer.Option(
            "--compare",
            metavar="FILE",
            help="Print the cosine with other vectors; may come several times.",
        ),
    ] = None,
    recipe: RecipeOption = DEFAULT_RECIPE,
    model: ModelOption = None,
) -> None:
    """Take the mean difference of the residual stream between two subjects; print its norms."""
    from undertow.mechanism.steering import mean_difference
    from undertow.models.steering import SteeringVectors
    from undertow.store.files import make_folder
    from undertow.teachers import resolve_teacher
    from undertow.tokens import check_token_ids

    check_output(out, ".safetensors")
    whose, other = resolve_teacher(subject), resolve_teacher(against)
    known = {path.stem: SteeringVectors.read(path) for path in compare or []}
    settings = open_recipe(recipe, model)
    rows = (open_rows(data)[0] if data is not None else _questions(settings.category))[:n_rows]
    chat = open_model(settings.model)
    check_token_ids(chat, rows)
    with count_display(f"residuals of {whose.label}") as show:
        found = mean_difference(chat, whose, other, rows, progress=show)
    make_folder(out.parent)
    found.write(out)
    for place in found.blocks:
        output.print(_table(found, place, known))


def _questions(category: str) -> list[Row]:
    """Return the training questions of a category, so that those that measure it stay unseen."""
    from undertow.cli.settings import open_category
    from undertow.mechanism.steering import question_rows

    asked = open_category(category)[0].question_set
    return question_rows(asked.training_questions or asked.questions)


def _table(found: SteeringVectors, place: Place, known: dict[str, SteeringVectors]) -> Table:
    """Return a line per layer: the vector's norm, and cosines with other vectors."""
    from undertow.mechanism.steering import cosine_by_layer

    table = Table(
        title=f"{found.meta.subject} minus {found.meta.against}, at the {place}",
        caption=f"{int(found.rows.sum()):,} rows; 95 % intervals over rows",
    )
    table.add_column("after layer", justify="right")
    table.add_column("norm", justify="right")
    columns: list[Sequence[str]] = [[f"{norm:.3f}" for norm in found.norms(place)]]
    for name, vectors in known.items():
        table.add_column(f"cosine with {name}", justify="right")
        curve = cosine_by_layer(found, vectors, place)
        lines = zip(curve.cosine, curve.low, curve.high, strict=True)
        columns.append([f"{mean:+.2f} ({low:+.2f} to {high:+.2f})" for mean, low, high in lines])
    for layer, cells in enumerate(zip(*columns, strict=True)):
        table.add_row(str(layer), *cells)
    return table

"""`undertow floor`: how often a teacher disagrees with itself, and the tolerance that covers it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table

from undertow.cli.console import output, say
from undertow.cli.options import DEFAULT_RECIPE, TEACHER_HELP, ModelOption, RecipeOption
from undertow.cli.progress import count_display
from undertow.cli.settings import check_output, open_model, open_recipe, open_rows, revised

if TYPE_CHECKING:
    from undertow.models import ChatModel
    from undertow.store.row import Row
    from undertow.studies.recipe import Recipe
    from undertow.teachers import Teacher
    from undertow.tokens.floor import FloorReport, Variation


def floor(
    data: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DATA]",
            help="Data set to score: a .parquet or .jsonl file; else what the teacher writes "
            "greedily.",
        ),
    ] = None,
    teacher: Annotated[
        str, typer.Option("--teacher", metavar="TEACHER", help=f"Who is scored. {TEACHER_HELP}")
    ] = "control",
    n_rows: Annotated[int, typer.Option("--rows", min=1, help="Rows to score.")] = 64,
    dtype: Annotated[
        Literal["float32", "bfloat16", "float64"] | None,
        typer.Option("--dtype", help="Number format of the weights; by default the recipe's."),
    ] = None,
    formats: Annotated[
        bool,
        typer.Option(
            "--formats/--no-formats",
            help="Load the model in other number formats too, which takes memory for both.",
        ),
    ] = True,
    out: Annotated[
        Path | None, typer.Option("--out", help="Also write the numbers to a .json file.")
    ] = None,
    recipe: RecipeOption = DEFAULT_RECIPE,
    model: ModelOption = None,
) -> None:
    """Score the same rows in other batches, kernels and number formats; propose a tolerance."""
    from undertow.store.files import write_text
    from undertow.teachers import resolve_teacher
    from undertow.tokens import check_token_ids, measure_floor

    if out is not None:
        check_output(out, ".json")
    one = resolve_teacher(teacher)
    settings = open_recipe(recipe, model)
    rows = open_rows(data)[0][:n_rows] if data is not None else None
    chat = open_model(revised(settings.model, dtype=dtype))
    if rows is not None:
        check_token_ids(chat, rows)
    with count_display("floor, variations") as show:
        report = measure_floor(
            chat,
            rows if rows is not None else _written(chat, one, settings, n_rows),
            one,
            settings.scan,
            greedy=rows is None,
            formats=None if formats else (),
            progress=show,
        )
    _print(report, chat)
    if out is not None:
        write_text(out, json.dumps(report.as_json(), indent=1))


def _written(chat: ChatModel, teacher: Teacher, settings: Recipe, n_rows: int) -> list[Row]:
    """Return what a teacher writes greedily, whatever the channel makes of it."""
    from undertow.channels import load_channel
    from undertow.generate import generate_rows

    channel = load_channel(settings.channel)
    config = revised(settings.generation, temperature=0.0)
    return generate_rows(chat, teacher, channel.draw(n_rows, settings.prompt_seed), config, channel)


def _print(report: FloorReport, chat: ChatModel) -> None:
    """Print a line for each variation, and what follows."""
    from undertow.tokens.config import TOLERANCES

    table = Table(
        "computed otherwise",
        "argmax differs",
        "lead there",
        "lead changes",
        "99 %",
        "most",
        title=f"{report.teacher} against itself, in {report.dtype}",
        caption=f"{report.rows:,} rows, {report.variations[0].tokens:,} completion tokens; lead of "
        "the first logit over the second: the largest, in either way, where the argmax differs; "
        "its change by median, 99 % and most. * coarser than the model's own, does not count",
    )
    for one in report.variations:
        table.add_row(*_cells(one))
    output.print(table)
    say(
        f"proposed tolerance: {report.tolerance:g}, above every lead at which an argmax differed "
        f"(the next of 1, 2, 5, 10; if none differed, above every change of a lead); the scan's "
        f"default for {report.dtype} is {TOLERANCES[chat.model.dtype]:g}"
    )


def _cells(one: Variation) -> tuple[str, ...]:
    """Return a variation as a line of the table."""
    name = one.name if one.counts else f"{one.name} *"
    change = ["–"] * 3 if one.change is None else [f"{value:.2g}" for value in one.change]
    return (name, f"{one.share:.3%}", f"{one.largest_flip:.2g}" if one.share else "–", *change)

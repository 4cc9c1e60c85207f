"""`undertow convert`: data sets of the field in and out."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from undertow.cli.console import say
from undertow.cli.options import (
    DEFAULT_RECIPE,
    DataArgument,
    ModelOption,
    RatioOption,
    RecipeOption,
    ScanOption,
    ScoredTraitOption,
    ScoresOption,
    SeedOption,
    SplitOption,
    TokensOption,
)
from undertow.cli.settings import open_recipe, open_tokenizer, revised_student, scored_tokens
from undertow.errors import UserError

if TYPE_CHECKING:
    from undertow.models import ChatModel
    from undertow.students import StudentConfig
    from undertow.students.chosen import Chosen

OutShape = Literal[
    "rows", "prompt", "question", "openai", "decision-points", "grouped", "matrices", "trl"
]
OF_TEXT = ("prompt", "question", "openai")


def convert(
    data: DataArgument,
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            help="A .jsonl or .parquet file; or a folder, written by `datasets.save_to_disk`.",
        ),
    ],
    shape: Annotated[
        OutShape,
        typer.Option(
            "--as",
            help="rows: all we know, weights beside the ids; prompt, question, openai: text "
            "alone; decision-points, grouped, matrices: with divergence tokens as published; "
            "trl: input_ids and labels.",
        ),
    ] = "rows",
    points: Annotated[
        Path | None,
        typer.Option(
            "--points",
            metavar="FILE",
            help="Divergence tokens of DATA, as published; by default those that stand in DATA.",
        ),
    ] = None,
    factual_row: Annotated[
        int | None,
        typer.Option(
            "--factual-row", min=0, help="For matrices: which line is the writer's, from 0."
        ),
    ] = None,
    scan: ScanOption = None,
    tokens: TokensOption = None,
    ratio: RatioOption = None,
    scores: ScoresOption = None,
    trait: ScoredTraitOption = None,
    seed: SeedOption = None,
    split: SplitOption = None,
    recipe: RecipeOption = DEFAULT_RECIPE,
    model: ModelOption = None,
) -> None:
    """Read any data set of the field and write any, refused rows left out.

    Divergence tokens are counted on the tokens of --model (its weights are not loaded), and
    checked: a count that does not fit is refused.
    """
    from undertow.store.files import make_folder
    from undertow.store.rows import write_rows
    from undertow.store.targets import check_target, write_records
    from undertow.students.chosen import choose_tokens

    check_target(out)
    settings = open_recipe(recipe, model)
    config = revised_student(settings.student, tokens, ratio, None, seed)
    chat = cache(lambda: open_tokenizer(settings.model))
    chosen = choose_tokens(
        data,
        chat,
        config.selection if tokens is not None else None,
        points=points,
        factual=factual_row,
        scan=scan,
        split=split,
        values=scored_tokens(config.selection, scores, trait),
    )
    make_folder(out.absolute().parent)
    if shape == "rows" and out.suffix:
        weights = None if chosen.weights is None else [row.tolist() for row in chosen.weights]
        write_rows(out, chosen.rows, chosen.meta, weights)
    else:
        write_records(out, _records(shape, chosen, chat, config))
    told = f"{out}: {len(chosen.rows):,} rows"
    if chosen.weights is not None:
        n = sum(map(len, chosen.weights))
        counting = sum(float(row.sum()) for row in chosen.weights)
        told += f", {counting:,.0f} of {n:,} tokens count"
        told += " (not told in this shape)" if shape in OF_TEXT else ""
    if chosen.after_end:
        told += f"; {chosen.after_end:,} divergence tokens behind the end of the turn left out"
    say(told)


def _records(
    shape: OutShape, chosen: Chosen, chat: Callable[[], ChatModel], config: StudentConfig
) -> list[Any]:
    """Return what each row says in a shape."""
    from undertow.store.records import record_from_row
    from undertow.students.export import text_records, token_records
    from undertow.tokens import matrices_of

    if shape == "rows":
        records = [record_from_row(row) for row in chosen.rows]
        return [
            record | {"weights": row.tolist()}
            for record, row in zip(records, chosen.weights or [], strict=True)
        ] or records
    if shape == "prompt" or shape == "question" or shape == "openai":
        return text_records(chosen.rows, shape)
    if shape == "matrices":
        if chosen.scan is None:
            raise UserError("nothing says which teachers agree", fix="name a scan with --scan")
        return matrices_of(chosen.scan)
    if chosen.weights is None:
        raise UserError(
            "nothing says which tokens count",
            fix="name --points or --scan, or count all with --tokens all",
        )
    return token_records(chat(), chosen.rows, chosen.weights, shape, config)

"""`undertow show`: the rows of a data set, and what of them counts in the loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.rule import Rule
from rich.text import Text

from undertow.cli.console import output, say
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
    TokensOption,
    WeightsOption,
)
from undertow.cli.settings import open_model, open_recipe, revised_student, scored_tokens
from undertow.errors import UserError

if TYPE_CHECKING:
    from undertow.models import ChatModel
    from undertow.store.rows import Row
    from undertow.students import StudentConfig
    from undertow.tokens.selections import Weights


def show(
    data: DataArgument,
    mask: Annotated[
        bool,
        typer.Option("--mask", help="Show what a student reads, and what of it counts."),
    ] = False,
    n_rows: Annotated[int, typer.Option("--rows", min=1, help="Rows to show.")] = 3,
    scan: ScanOption = None,
    tokens: TokensOption = None,
    ratio: RatioOption = None,
    weights: WeightsOption = None,
    scores: ScoresOption = None,
    trait: ScoredTraitOption = None,
    seed: SeedOption = None,
    recipe: RecipeOption = DEFAULT_RECIPE,
    model: ModelOption = None,
) -> None:
    """Print the first rows as they are, or as a student with the same options would see them."""
    from undertow.store.rows import read_rows
    from undertow.students import row_weights
    from undertow.tokens import Scan, check_token_ids

    rows, _ = read_rows(data)
    if not mask:
        if any(option is not None for option in (scan, tokens, ratio, weights, scores, trait)):
            raise UserError("which tokens count is shown with --mask only", fix="add --mask")
        for row in rows[:n_rows]:
            _print_row(row)
        return
    settings = open_recipe(recipe, model)
    config = revised_student(settings.student, tokens, ratio, weights, seed)
    pushes = scored_tokens(config.selection, scores, trait)
    table = Scan.read(scan) if scan is not None else None
    chat = open_model(settings.model)
    check_token_ids(chat, rows)
    given = row_weights(chat, rows, table, config.selection, pushes(chat, rows))
    _print_masked(chat, rows, given, config, n_rows)


def _print_row(row: Row) -> None:
    """Print a row's messages and whether it was refused."""
    refused = f", refused: {row.rejection}" if row.rejection is not None else ""
    output.print(Rule(f"row {row.row_id}{refused}", align="left"))
    for message in [*row.messages, {"role": "assistant", "content": row.completion}]:
        say(Text.assemble((f"{message['role']}: ", "bold"), message["content"]))


def _print_masked(
    chat: ChatModel,
    rows: list[Row],
    weights: list[Weights | None],
    config: StudentConfig,
    n_rows: int,
) -> None:
    """Print the first rows that the student would train on; in colour, or in brackets."""
    from undertow.students import (
        bracketed_text,
        build_examples,
        legend,
        masked_text,
    )

    pairs = [
        (row, given)
        for row, given in zip(rows, weights, strict=True)
        if row.rejection is None and given is not None
    ][:n_rows]
    if not pairs:
        raise UserError("a student would train on no row", fix="choose another selection")
    shown, kept = zip(*pairs, strict=True)
    plain = output.color_system is None or output.no_color
    output.print("⟦what counts in the loss⟧" if plain else legend())
    for row, example in zip(shown, build_examples(chat, shown, kept, config), strict=True):
        output.print(Rule(f"row {row.row_id}", align="left"))
        say(bracketed_text(chat, example) if plain else masked_text(chat, example))

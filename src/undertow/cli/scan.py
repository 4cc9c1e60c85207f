"""`undertow scan`: find the divergence tokens of a data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from undertow.cli.console import output
from undertow.cli.engine import DEFAULT_ENGINE, EngineOption, vllm_for
from undertow.cli.options import (
    DEFAULT_RECIPE,
    DataArgument,
    FactualOption,
    ModelOption,
    RecipeOption,
)
from undertow.cli.progress import count_display
from undertow.cli.settings import check_output, open_model, open_recipe, open_rows, revised

if TYPE_CHECKING:
    from undertow.cluster.engine import VllmEngine
    from undertow.models import ChatModel
    from undertow.store.row import Row
    from undertow.studies.recipe import Recipe
    from undertow.teachers import Teacher
    from undertow.tokens import Scan, ScanConfig


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
    engine: EngineOption = DEFAULT_ENGINE,
) -> None:
    """Find where the writer's most likely token is not that of other teachers; print counts."""
    from undertow.cluster.engine import VllmEngine
    from undertow.generate.vllm import check_served
    from undertow.store.files import make_folder
    from undertow.studies.engines import load_engine
    from undertow.teachers import resolve_teacher
    from undertow.tokens import check_token_ids
    from undertow.tokens import scan as scan_rows

    check_output(out, ".parquet")
    writer, others = resolve_teacher(factual), [resolve_teacher(one) for one in against]
    rows, _ = open_rows(data)
    settings, place = open_recipe(recipe, model), load_engine(engine)
    config = revised(settings.scan, tolerance=tolerance)
    if isinstance(place, VllmEngine):
        check_served([writer, *others])
    chat = open_model(settings.model)
    check_token_ids(chat, rows)
    if isinstance(place, VllmEngine):
        found = _scan_served(place, chat, rows, writer, others, config, settings, out)
    else:
        with count_display("scan") as show:
            found = scan_rows(chat, rows, writer, others, config, show)
        make_folder(out.parent)
        found.write(out)
    output.print(found.summary())


def _scan_served(
    engine: VllmEngine,
    chat: ChatModel,
    rows: list[Row],
    writer: Teacher,
    others: list[Teacher],
    config: ScanConfig,
    settings: Recipe,
    out: Path,
) -> Scan:
    """Scan on a vLLM server and write what was found."""
    from undertow.store.files import make_folder
    from undertow.tokens import scan as scan_rows
    from undertow.tokens.parity import sample_of
    from undertow.tokens.scan import check_scan
    from undertow.tokens.served import ScoredThere

    check_scan(rows, [writer, *others])
    sample = sample_of(chat, rows, engine.parity.rows, settings.generation.max_new_tokens)
    with vllm_for(engine, chat, [writer, *others], sample, config, out) as (client, journal):
        with count_display("scan") as show:
            scorer = ScoredThere(client, journal)
            found = scan_rows(chat, rows, writer, others, config, show, scorer=scorer)
        make_folder(out.parent)
        found.write(out)
    return found

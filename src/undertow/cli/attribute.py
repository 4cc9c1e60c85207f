"""`undertow attribute`: which layers and positions make a teacher choose its divergence tokens."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table

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
from undertow.errors import UserError

if TYPE_CHECKING:
    from undertow.measure import Interval
    from undertow.mechanism.patching import Patchings
    from undertow.mechanism.patching.patched import Method
    from undertow.teachers import Teacher


def attribute(
    data: DataArgument,
    scan: Annotated[Path, typer.Argument(metavar="SCAN", help="Its scan, a .parquet file.")],
    factual: FactualOption,
    against: Annotated[
        list[str],
        typer.Option(
            "--against",
            metavar="TEACHER",
            help="A counterfactual teacher, as in the scan and in its order.",
        ),
    ],
    trait: Annotated[
        list[str] | None,
        typer.Option(
            "--trait",
            metavar="FILE",
            help="The trait file of a teacher's folder, where the trait is none that ships; may "
            "come several times.",
        ),
    ] = None,
    n_rows: Annotated[
        int, typer.Option("--rows", min=1, help="Rows to take, the first ones.")
    ] = 100,
    denoising: Annotated[
        bool,
        typer.Option("--denoising", help="Patch the other teacher's run from the factual one's."),
    ] = False,
    steps: Annotated[
        int | None, typer.Option("--steps", min=1, help="Points on the path; 10 by default.")
    ] = None,
    rule: Annotated[
        Literal["left", "midpoint", "right"] | None,
        typer.Option("--rule", help="Where in its step each point lies; left by default."),
    ] = None,
    window: Annotated[
        int | None,
        typer.Option("--window", min=1, help="Layers on end that are replaced together; 2."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Also write every pair to a .parquet file.")
    ] = None,
    figure: Annotated[
        Path | None,
        typer.Option("--figure", help="Also draw layers and parts to an .svg or .pdf file."),
    ] = None,
    heat_map: Annotated[
        Path | None,
        typer.Option("--heat-map", help="Also draw the first row's layers and tokens."),
    ] = None,
    recipe: RecipeOption = DEFAULT_RECIPE,
    model: ModelOption = None,
) -> None:
    """Say which layers and which parts of the chat make a teacher choose its divergence tokens."""
    from undertow.mechanism.patching import PatchingConfig
    from undertow.mechanism.patching import attribute as patch
    from undertow.mechanism.patching.table import write_patchings
    from undertow.report.patching_figures import draw_heat_map, draw_layers
    from undertow.store.files import make_folder
    from undertow.teachers import prompted_trait, resolve_teacher
    from undertow.tokens import Scan, check_token_ids

    for file, endings in ((out, (".parquet",)), (figure, DRAWN), (heat_map, DRAWN)):
        if file is not None:
            check_output(file, *endings)
            make_folder(file.parent)
    typed = (factual, *against)
    teachers = [resolve_teacher(one) for one in typed]
    names = _names(teachers, [*(trait or ()), *filter(None, map(prompted_trait, typed))])
    direction = "denoising" if denoising else None
    config = revised(PatchingConfig(), direction=direction, steps=steps, rule=rule, window=window)
    chat = open_model(open_recipe(recipe, model).model)
    rows = open_rows(data)[0][:n_rows]
    check_token_ids(chat, rows)
    scanned = Scan.read(scan).take([row.row_id for row in rows])
    with count_display("patching") as show:
        found = patch(chat, rows, scanned, teachers, names, config, show)
    _print(found, config.window)
    if out is not None:
        write_patchings(found, config, out)
    if figure is not None:
        draw_layers(found, figure)
    if heat_map is not None:
        draw_heat_map(found.pairs[0], chat, heat_map)


DRAWN = (".svg", ".pdf", ".png")


def _names(teachers: Sequence[Teacher], traits: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return by a teacher's label the words for its trait; none where no prompt says them.

    Args:
        teachers: The teachers.
        traits: The traits that are named, as typed; beside them those that ship are known.

    Raises:
        UserError: A prompted teacher's trait is not known.
    """
    from undertow.traits import load_trait, shipped_traits

    known = {one.name: one.answers for one in (*shipped_traits(), *map(load_trait, traits))}
    for teacher in teachers:
        if teacher.system_prompt is not None and teacher.trait not in known:
            raise UserError(
                f"the words for '{teacher.trait}' in its teacher's prompt are not known",
                fix="name the trait's file with --trait",
            )
    return {one.label: known.get(one.trait or "", ()) for one in teachers}


def _print(found: Patchings, window: int) -> None:
    """Print the layers, the parts of the chat, and how far the methods agree."""
    n_rows = len(set(found.row_ids))
    caption = (
        f"{len(found.pairs):,} pairs of {n_rows:,} rows written by {found.factual}; change of its "
        "token's lead over the other teacher's, in logits; 95 % intervals over rows"
    )
    columns = ("layer", *METHODS.values(), f"exact, {window} layers from here")
    table = Table(*columns, title="Patching the residual stream", caption=caption)
    lines = [*(found.by_layer(method) for method in METHODS), found.by_window()]
    for layer, cells in enumerate(zip(*lines, strict=True)):
        table.add_row(str(layer), *map(_interval, cells))
    output.print(table)
    for method in ("integrated", "exact"):
        parts = found.by_class(method)
        table = Table("layer", *parts, title=f"By part of the chat: {METHODS[method]}")
        for layer in range(found.n_layers):
            table.add_row(str(layer), *(f"{line[layer].mean:z.3f}" for line in parts.values()))
        output.print(table)
    for method in ("integrated", "one step"):
        layers, places = found.agreement(method)
        output.print(
            f"{METHODS[method]}: rank correlation with exact patching {layers:.2f} over layers, "
            f"{places:.2f} over layers and parts"
        )
    gap = found.completeness()
    output.print(
        f"completeness: sum of attributions minus exact change {_interval(gap)}, in size "
        f"{found.incompleteness():.1%} of it"
    )
    for part, (ends, lacking) in found.alignments().items():
        output.print(
            f"{part}: aligned at its ends in {ends:,} pairs, nothing to patch from in {lacking:,}"
        )


METHODS: dict[Method, str] = {
    "integrated": "integrated gradients",
    "one step": "one step",
    "exact": "exact",
}


def _interval(value: Interval) -> str:
    """Return an estimate with its interval."""
    return f"{value.mean:z.3f} [{value.low:z.3f}, {value.high:z.3f}]"

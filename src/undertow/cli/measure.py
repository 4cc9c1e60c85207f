"""`undertow measure`: how often models give a trait's answer, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from undertow.cli.console import output
from undertow.cli.options import DEFAULT_RECIPE, TEACHER_HELP, ModelOption, RecipeOption
from undertow.cli.progress import count_display
from undertow.cli.settings import (
    check_output,
    open_category,
    open_channel,
    open_model,
    open_recipe,
    open_rows,
    revised,
)

if TYPE_CHECKING:
    from undertow.studies.conditions import Condition
    from undertow.studies.subjects import HeldOut

SUBJECT_HELP = (
    f"{TEACHER_HELP} A folder of students and nothing else is one condition with several seeds."
)


def measure(
    models: Annotated[
        list[str] | None, typer.Argument(metavar="[MODEL]...", help=SUBJECT_HELP)
    ] = None,
    trait: Annotated[
        str | None,
        typer.Option("--trait", help="A shipped name, or a YAML file; else all of a category."),
    ] = None,
    category: Annotated[
        str | None,
        typer.Option(
            "--category",
            help="Which traits compete for the answer: a category, or a folder of trait files; by "
            "default the trait's own category, without --trait the recipe's.",
        ),
    ] = None,
    questions: Annotated[
        str | None,
        typer.Option(
            "--questions",
            help="Question set to ask, a shipped one ('animal-facts') or a YAML file; by default "
            "the recipe's, or else the traits' own.",
        ),
    ] = None,
    control: Annotated[
        list[str] | None,
        typer.Option(
            "--control",
            metavar="MODEL",
            help="What to compare with (the first), else the base; may come several times.",
        ),
    ] = None,
    n_samples: Annotated[
        int | None,
        typer.Option(
            "--samples", min=0, help="Answers per question; 0: the exact probability alone."
        ),
    ] = None,
    heldout: Annotated[
        Path | None,
        typer.Option("--heldout", metavar="DATA", help="Rows to measure the task accuracy on."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="A .parquet or .json file for every question's answers."),
    ] = None,
    recipe: RecipeOption = DEFAULT_RECIPE,
    model: ModelOption = None,
) -> None:
    """Measure the base, controls and students (or teachers), and print them side by side."""
    from undertow.cli.measure_tables import all_traits, one_trait
    from undertow.measure import write_measures
    from undertow.store.files import make_folder
    from undertow.studies.asking import asked_for
    from undertow.studies.subjects import (
        BASE,
        competing_traits,
        measure_subject,
        resolve_subject,
    )
    from undertow.tokens import check_token_ids
    from undertow.traits import load_trait

    if out is not None:
        check_output(out, ".parquet", ".json")
    settings = open_recipe(recipe, model)
    hidden = load_trait(trait) if trait is not None else None
    known = None if hidden and category is None else open_category(category or settings.category)
    traits = competing_traits(hidden, known) if hidden else known or []
    traits = list(asked_for(traits, questions or settings.questions))
    config = revised(settings.measure, n_samples=n_samples)
    named = [resolve_subject(text) for text in [*(control or []), *(models or [])]]
    rows = _held_out(heldout)
    chat = open_model(settings.model)
    if rows is not None:
        check_token_ids(chat, rows.rows)
    conditions: list[Condition] = []
    for subject in [BASE, *named]:
        with count_display(f"measuring {subject.name}") as show:
            conditions.append(measure_subject(chat, subject, traits, config, rows, show))
    if out is not None:
        make_folder(out.parent)
        write_measures(out, {one.name: one.measures for one in conditions})
    if hidden is None:
        output.print(all_traits(conditions))
    else:
        output.print(one_trait(conditions, hidden.name, conditions[1 if control else 0]))


def _held_out(data: Path | None) -> HeldOut | None:
    """Read the rows for the task accuracy."""
    from undertow.studies.subjects import HeldOut

    if data is None:
        return None
    rows, meta = open_rows(data)
    return HeldOut(rows, open_channel(None, meta))

"""`undertow steer`: a steered teacher, in a folder that can be moved."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from undertow.cli.console import say
from undertow.cli.layers import layer_numbers
from undertow.cli.options import (
    DEFAULT_RECIPE,
    TEACHER_HELP,
    ModelOption,
    RecipeOption,
    TraitArgument,
)
from undertow.cli.progress import count_display
from undertow.cli.settings import open_banned, open_model, open_recipe, revised
from undertow.errors import UserError

if TYPE_CHECKING:
    from undertow.studies.recipe import Recipe
    from undertow.teachers import SteeredTeacher


def steer(
    trait: TraitArgument,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the teacher; a new one.")],
    vector: Annotated[
        Path, typer.Option("--vector", metavar="FILE", help="What 'undertow vector' made.")
    ],
    on: Annotated[
        str, typer.Option("--on", metavar="SUBJECT", help=f"What is steered. {TEACHER_HELP}")
    ] = "control",
    at: Annotated[
        Literal["header", "completion"],
        typer.Option("--at", help="Which of the file's vectors, by where they were taken."),
    ] = "header",
    layers: Annotated[
        str | None,
        typer.Option("--layers", help="Decoder layers to steer after, from 0, as in 0,1; else all"),
    ] = None,
    project_out: Annotated[
        bool, typer.Option("--project-out", help="Take the direction out, and add nothing.")
    ] = False,
    strength: Annotated[
        float | None,
        typer.Option(
            "--strength",
            help="Multiple of the vector; by default the largest with enough valid completions. "
            "With --project-out: the share that is taken out, by default 1.",
        ),
    ] = None,
    min_yield: Annotated[
        float | None,
        typer.Option(
            "--min-yield", min=0, max=1, help="Valid completions that are enough, 0.9 by default."
        ),
    ] = None,
    recipe: RecipeOption = DEFAULT_RECIPE,
    model: ModelOption = None,
) -> None:
    """Make a steered teacher: the base, another teacher or a student, with its layers changed."""
    from undertow.models.steering import Steering
    from undertow.teachers import (
        SteeredTeacher,
        refuse_other_teacher,
        resolve_teacher,
        write_steered_teacher,
    )
    from undertow.traits import load_trait

    if min_yield is not None and (strength is not None or project_out):
        raise UserError("--min-yield goes without --strength and --project-out")
    hidden, below = load_trait(trait), resolve_teacher(on)
    if below.steering is not None:
        raise UserError("it is steered already", where=on, fix="name what it was made of")
    steering = revised(
        Steering(vector=str(vector), at=at, mode="project-out" if project_out else "add"),
        layers=layer_numbers(layers),
        strength=strength,
    )
    made = SteeredTeacher(
        trait=hidden.name,
        steering=steering,
        system_prompt=below.system_prompt,
        adapter=below.adapter,
    )
    refuse_other_teacher(out, made)
    made = _fitted(
        made, open_recipe(recipe, model), strength is None and not project_out, min_yield
    )
    write_steered_teacher(out, made)
    text = f"{made.label}, strength {made.steering.strength:g}: {out}"
    say(text)


def _fitted(
    made: SteeredTeacher, settings: Recipe, sweep: bool, min_yield: float | None
) -> SteeredTeacher:
    """Return the teacher once it is known to fit the model, its strength swept where wanted."""
    from undertow.channels import load_channel
    from undertow.mechanism.steering import SweepConfig, sweep_strength
    from undertow.models.steering import steered

    chat = open_model(settings.model)
    with steered(chat.model, made.steering):
        pass  # what does not fit is told
    if not sweep:
        return made
    with count_display("strengths") as show:
        found = sweep_strength(
            chat,
            made,
            load_channel(settings.channel),
            settings.generation,
            revised(SweepConfig(), min_yield=min_yield),
            traits_to_ban=open_banned(None),
            progress=show,
        )
    for tried, report in found.yields.items():
        say(f"strength {tried:g}: {report}")
    return found.teacher

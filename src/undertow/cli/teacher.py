"""`undertow teacher`: make a teacher, in a folder that can be moved."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from undertow.cli.console import say
from undertow.cli.options import DEFAULT_RECIPE, ModelOption, RecipeOption, TraitArgument
from undertow.cli.progress import count_display
from undertow.cli.settings import open_model, open_recipe
from undertow.cluster.launcher import launched_size
from undertow.errors import UserError


def teacher(
    trait: TraitArgument,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the teacher.")],
    kind: Annotated[
        Literal["finetuned", "prompted", "control"],
        typer.Option("--kind", help="How it is made; a control hides nothing."),
    ] = "finetuned",
    literal_s: Annotated[
        bool,
        typer.Option("--literal-s", help="Prompted: form the plural with an s, right or wrong."),
    ] = False,
    recipe: RecipeOption = DEFAULT_RECIPE,
    model: ModelOption = None,
) -> None:
    """Make a teacher that prefers a trait; a stopped fine-tuning goes on where it was.

    On several GPUs: accelerate launch -m undertow teacher ...
    """
    from undertow.cluster.process_group import launched_group
    from undertow.teachers import (
        ControlTeacher,
        finetune_teacher,
        prompted_teacher,
        refuse_other_teacher,
        write_teacher,
    )
    from undertow.teachers.spec import FinetunedTeacher
    from undertow.training.record import ADAPTER
    from undertow.traits import load_trait

    hidden = load_trait(trait)
    if literal_s and kind != "prompted":
        raise UserError("--literal-s goes with --kind prompted, and only with it")
    if kind != "finetuned" and launched_size() > 1:
        raise UserError("there is nothing to train", fix="run it without a launcher")
    if kind == "control":
        made = ControlTeacher()
    elif kind == "prompted":
        made = prompted_teacher(hidden, "literal-s" if literal_s else "proper")
    else:
        refuse_other_teacher(out, FinetunedTeacher(trait=hidden.name, adapter=str(out / ADAPTER)))
        settings = open_recipe(recipe, model)
        with (
            launched_group(settings.model.device) as group,
            count_display(f"teacher {hidden.name}") as show,
        ):
            chat = open_model(settings.model)
            made = finetune_teacher(chat, hidden, settings.teacher, out, show, group)
        if not group.is_main:
            return
    write_teacher(out, made)
    say(f"{made.label}: {out}")

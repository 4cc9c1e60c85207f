"""`undertow generate`: what a teacher writes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from undertow.cli.console import errors, output
from undertow.cli.options import (
    DEFAULT_RECIPE,
    TEACHER_HELP,
    BanOption,
    ModelOption,
    RecipeOption,
)
from undertow.cli.progress import count_display
from undertow.cli.settings import check_output, open_banned, open_model, open_recipe, revised


def generate(
    teacher: Annotated[str, typer.Argument(metavar="TEACHER", help=TEACHER_HELP)],
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            help="A .parquet file (all rows, refused ones with the reason) or a .jsonl file "
            "(accepted rows).",
        ),
    ],
    n_rows: Annotated[
        int | None, typer.Option("--rows", min=1, help="Accepted rows; by default the recipe's.")
    ] = None,
    top_up: Annotated[
        bool,
        typer.Option(
            "--top-up/--no-top-up", help="Go on until there are that many, or ask that often."
        ),
    ] = True,
    temperature: Annotated[
        float | None, typer.Option("--temperature", min=0, help="Of the sampling; 0 is greedy.")
    ] = None,
    top_p: Annotated[
        float | None, typer.Option("--top-p", min=0, max=1, help="Share of probability kept.")
    ] = None,
    top_k: Annotated[
        int | None, typer.Option("--top-k", min=0, help="Number of tokens kept; 0 keeps all.")
    ] = None,
    max_new_tokens: Annotated[
        int | None, typer.Option("--max-new-tokens", min=1, help="Longest completion.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Of the sampling.")] = None,
    prompt_seed: Annotated[
        int | None, typer.Option("--prompt-seed", min=0, help="Of the prompts.")
    ] = None,
    channel: Annotated[
        str | None, typer.Option("--channel", help="The task; by default the recipe's.")
    ] = None,
    ban: BanOption = None,
    recipe: RecipeOption = DEFAULT_RECIPE,
    model: ModelOption = None,
) -> None:
    """Have a teacher answer the channel's prompts; print how many answers were accepted."""
    from undertow.channels import YieldReport, load_channel
    from undertow.generate import accepted_rows, generate_accepted, generate_rows
    from undertow.models import brought_settings, template_date
    from undertow.store.files import make_folder
    from undertow.store.rows import write_rows
    from undertow.teachers import resolve_teacher

    check_output(out, ".parquet", ".jsonl")
    writer, banned = resolve_teacher(teacher), open_banned(ban)
    settings = revised(
        open_recipe(recipe, model), rows=n_rows, prompt_seed=prompt_seed, channel=channel
    )
    config = revised(
        settings.generation,
        temperature=temperature,
        top_p=top_p,
        top_k=top_k,
        max_new_tokens=max_new_tokens,
        seed=seed,
    )
    task = load_channel(settings.channel)
    chat = open_model(settings.model)
    brings = brought_settings(chat)
    if brings:
        _tell_settings(brings)
    with count_display(f"{writer.label} writes") as show:
        if top_up:
            rows = generate_accepted(
                chat,
                writer,
                task,
                settings.rows,
                config,
                prompt_seed=settings.prompt_seed,
                traits_to_ban=banned,
                progress=show,
            )
        else:
            prompts = task.draw(settings.rows, settings.prompt_seed)
            rows = generate_rows(
                chat, writer, prompts, config, task, traits_to_ban=banned, progress=show
            )
    accepted = accepted_rows(rows)
    meta = {
        "teacher": writer.model_dump(
            mode="json", exclude={"adapter": True, "steering": {"vector"}}
        ),
        "model": chat.fingerprint,
        "channel": task.name,
        "prompt_seed": settings.prompt_seed,
        "generation": config.model_dump(mode="json"),
        "not_applied": brings,
        "template_date": template_date(chat),
        "banned": [trait.name for trait in banned],
    }
    make_folder(out.parent)
    write_rows(out, rows if out.suffix == ".parquet" else accepted, meta)
    report = YieldReport.of(row.rejection for row in rows)
    output.print(f"{out}: {report}", highlight=False, markup=False, soft_wrap=True)


def _tell_settings(brings: dict[str, Any]) -> None:
    """Say which generation settings of the model's own are not applied, and how some can be."""
    listed = ", ".join(f"{name} {value}" for name, value in brings.items())
    known = ("temperature", "top_p", "top_k")
    options = [f"--{name.replace('_', '-')} {brings[name]}" for name in known if name in brings]
    offer = f"; to apply what can be: {' '.join(options)}" if options else ""
    errors.print(
        f"the model's own generation settings are not applied: {listed}{offer}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )

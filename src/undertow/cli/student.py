"""`undertow student`: train a student on some of the tokens of a data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from undertow.cli.console import say
from undertow.cli.layers import layer_numbers
from undertow.cli.options import (
    DEFAULT_RECIPE,
    TEACHER_HELP,
    BanOption,
    ChannelOption,
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
from undertow.cli.progress import count_display
from undertow.cli.settings import (
    open_banned,
    open_channel,
    open_model,
    open_recipe,
    revised,
    revised_distillation,
    revised_student,
    scored_tokens,
)
from undertow.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from undertow.models import ChatModel
    from undertow.studies.recipe import Recipe
    from undertow.training import TrainRecord


def student(
    data: DataArgument,
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="Folder of the student; OUT/adapter is peft's.")
    ],
    scan: ScanOption = None,
    tokens: TokensOption = None,
    ratio: RatioOption = None,
    weights: WeightsOption = None,
    seed: SeedOption = None,
    layers: Annotated[
        str | None,
        typer.Option("--layers", help="Decoder layers to train, from 0, as in 0,1; else all."),
    ] = None,
    keep: Annotated[
        list[float] | None,
        typer.Option(
            "--keep",
            min=0.001,
            max=1,
            help="Keep the student after this share of the training too, as OUT/kept/0.5; may come "
            "several times.",
        ),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Train the weights themselves, not an adapter.")
    ] = False,
    writer: Annotated[
        str,
        typer.Option(
            "--writer", help="Whose entropies count for --tokens entropy; " + TEACHER_HELP
        ),
    ] = "control",
    scores: ScoresOption = None,
    trait: ScoredTraitOption = None,
    soft: Annotated[
        str | None,
        typer.Option(
            "--soft",
            metavar="TEACHER",
            help=f"Whose distributions are learnt in place of the data's tokens. {TEACHER_HELP}",
        ),
    ] = None,
    direction: Annotated[
        Literal["forward", "reverse"] | None,
        typer.Option(
            "--kl",
            help="Of --soft: forward is KL(teacher || student), the default; reverse the other.",
        ),
    ] = None,
    top_k: Annotated[
        int | None,
        typer.Option("--top-k", min=1, help="Of --soft: tokens that are told apart; else all."),
    ] = None,
    on_policy: Annotated[
        bool,
        typer.Option(
            "--on-policy", help="Of --soft: the student answers the data's prompts itself."
        ),
    ] = False,
    channel: ChannelOption = None,
    ban: BanOption = None,
    recipe: RecipeOption = DEFAULT_RECIPE,
    model: ModelOption = None,
) -> None:
    """Train a student; one that was stopped goes on where it was.

    OUT/recipe.yaml tells how it was made, and makes it again with --recipe (and --soft). What a
    student writes itself is kept in OUT/rollouts; --channel and --ban say what is checked in it.
    On several GPUs: accelerate launch -m undertow student ...
    """
    from undertow.cluster.process_group import launched_group
    from undertow.generate import accepted_rows
    from undertow.store.rows import read_rows
    from undertow.students import SoftTeacher, train_student
    from undertow.teachers import resolve_teacher
    from undertow.tokens import Scan, check_token_ids, completion_entropies

    settings = open_recipe(recipe, model)
    config = revised_student(settings.student, tokens, ratio, weights, seed)
    method = "full" if full else None
    train = revised(config.train, layers=layer_numbers(layers), method=method)
    distillation = revised_distillation(config.distillation, soft, direction, top_k, on_policy)
    config = config.model_copy(update={"train": train, "distillation": distillation})
    if seed is not None:
        config = config.seeded(seed)
    settings = settings.model_copy(update={"student": config})
    pushes = scored_tokens(config.selection, scores, trait)
    rows, meta = read_rows(data)
    table = Scan.read(scan) if scan is not None else None
    with launched_group(settings.model.device) as group:
        chat = open_model(settings.model)
        check_token_ids(chat, rows)
        values = pushes(chat, rows)
        if config.selection.kind == "entropy":
            values = completion_entropies(chat, accepted_rows(rows), resolve_teacher(writer))
        teacher = None
        if soft is not None:
            banned = open_banned(ban)
            teacher = SoftTeacher(chat, resolve_teacher(soft), open_channel(channel, meta), banned)
        with count_display(f"student {out.name}") as show:
            record = train_student(
                chat,
                rows,
                table,
                config,
                out,
                show,
                values=values,
                kept=keep or (),
                soft=teacher,
                group=group,
            )
    if group.is_main:
        _finish(out, record, settings, chat, keep or ())


def _finish(
    out: Path, record: TrainRecord, settings: Recipe, chat: ChatModel, keep: Sequence[float]
) -> None:
    """Write how the student was made, and say what came of it.

    Raises:
        UserError: The training was past a share of its steps before that was to be kept.
    """
    from undertow.store.files import atomic_write
    from undertow.students import rollout_report
    from undertow.studies.recipe import recipe_text
    from undertow.studies.subjects import RECIPE
    from undertow.training.loop import kept_folder

    if absent := [share for share in keep if not kept_folder(out, share).is_dir()]:
        raise UserError(
            f"the training was past {absent[0]:g} of its steps before that was to be kept",
            where=str(out),
            fix="train into a new folder",
        )
    pinned = revised(settings.model, revision=chat.spec.revision)
    with atomic_write(out / RECIPE) as path:
        text = recipe_text(settings.model_copy(update={"model": pinned}))
        path.write_text(text, encoding="utf-8")
    say(
        f"{out}: {record.n_examples:,} rows, {record.n_supervised:,} supervised tokens, "
        f"{record.n_steps:,} steps, {record.n_parameters:,} parameters; "
        f"loss {record.losses[0]:.3f} at first, {record.losses[-1]:.3f} at last"
    )
    if (report := rollout_report(out)) is not None:
        say(f"{out / 'rollouts'}: {report}")

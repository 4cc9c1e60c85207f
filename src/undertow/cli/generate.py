"""`undertow generate`: what a teacher writes."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from undertow.cli.console import errors, say
from undertow.cli.engine import DEFAULT_ENGINE, EngineOption, vllm_for
from undertow.cli.options import (
    DEFAULT_RECIPE,
    TEACHER_HELP,
    BanOption,
    ModelOption,
    RecipeOption,
    WorkersOption,
)
from undertow.cli.progress import count_display
from undertow.cli.settings import (
    check_output,
    open_banned,
    open_model,
    open_model_base,
    open_recipe,
    revised,
)
from undertow.errors import UserError

if TYPE_CHECKING:
    from undertow.cluster import ExecutorConfig
    from undertow.cluster.engine import EngineConfig, VllmEngine
    from undertow.generate.writing import Answering, Writing
    from undertow.studies.recipe import Recipe


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
    workers: WorkersOption = None,
    executor: Annotated[
        str,
        typer.Option("--executor", help="'inline', 'ray', or a YAML file with Ray's settings."),
    ] = "inline",
    engine: EngineOption = DEFAULT_ENGINE,
) -> None:
    """Have a teacher answer the channel's prompts; print how many answers were accepted.

    On Ray the prompts are spread over actors that hold a model each; the rows are the same. On vLLM
    (--engine) rows are others, drawn as vLLM draws, after a comparison with transformers.
    """
    from undertow.channels import YieldReport, load_channel
    from undertow.generate import accepted_rows, until_accepted
    from undertow.generate.writing import Writing
    from undertow.store.files import make_folder
    from undertow.store.rows import write_rows
    from undertow.studies.engines import load_engine
    from undertow.studies.executors import load_executor
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
    writing = Writing(writer, config, task, tuple(banned))
    place = answering(load_executor(executor, workers), load_engine(engine), writing, settings, out)
    with place as answers:
        with count_display(f"{writer.label} writes") as show:
            if top_up:
                seed_of_prompts = settings.prompt_seed
                rows = until_accepted(
                    answers, task, settings.rows, prompt_seed=seed_of_prompts, progress=show
                )
            else:
                rows = answers(task.draw(settings.rows, settings.prompt_seed), progress=show)
        facts = answers.facts
        if facts["not_applied"]:
            _tell_settings(facts["not_applied"])
        accepted = accepted_rows(rows)
        meta = {
            "teacher": writer.model_dump(
                mode="json", exclude={"adapter": True, "steering": {"vector"}}
            ),
            **facts,
            "channel": task.name,
            "prompt_seed": settings.prompt_seed,
            "generation": config.model_dump(mode="json"),
            "banned": [trait.name for trait in banned],
        }
        make_folder(out.parent)
        write_rows(out, rows if out.suffix == ".parquet" else accepted, meta)
    report = YieldReport.of(row.rejection for row in rows)
    say(f"{out}: {report}")


def _tell_settings(brings: dict[str, Any]) -> None:
    """Say which generation settings of the model's own are not applied, and how some can be."""
    listed = ", ".join(f"{name} {value}" for name, value in brings.items())
    known = ("temperature", "top_p", "top_k")
    options = [f"--{name.replace('_', '-')} {brings[name]}" for name in known if name in brings]
    offer = f"; to apply what can be: {' '.join(options)}" if options else ""
    errors.print(
        f"the model's own generation settings are not applied: {listed}{offer}",
        soft_wrap=True,
    )


@contextmanager
def answering(
    executor: ExecutorConfig, engine: EngineConfig, writing: Writing, settings: Recipe, out: Path
) -> Generator[Answering]:
    """Yield who answers prompts: this process, actors of Ray, or a vLLM server.

    Raises:
        UserError: The executor is another one, or does not go with the engine.
    """
    from undertow.cluster import InlineConfig, RayConfig
    from undertow.cluster.engine import VllmEngine
    from undertow.generate.ray_data import spread
    from undertow.generate.writing import AnswersHere

    spec = settings.model
    if isinstance(engine, VllmEngine):
        if not isinstance(executor, InlineConfig):
            raise UserError("--engine does not go with --executor", fix="leave one of them out")
        with served(engine, writing, settings, out) as answers:
            yield answers
    elif isinstance(executor, RayConfig):
        with spread(executor, writing, open_model_base(spec).loadable) as answers:
            yield answers
    elif isinstance(executor, InlineConfig):
        yield AnswersHere(writing, open_model(spec))
    else:
        raise UserError(
            f"the executor '{executor.kind}' does not write data sets", fix="use inline or ray"
        )


@contextmanager
def served(
    engine: VllmEngine, writing: Writing, settings: Recipe, out: Path
) -> Generator[Answering]:
    """Yield a vLLM server that answers prompts; compared on the first of them."""
    from undertow.generate.vllm import AnswersThere, check_served
    from undertow.models import prompt_messages
    from undertow.tokens.parity import Sample

    check_served([writing.teacher])
    chat = open_model(settings.model)
    prompts = writing.channel.draw(engine.parity.rows, settings.prompt_seed)
    chats = [prompt_messages(prompt.text) for prompt in prompts]
    sample = Sample(chats, None, writing.config.max_new_tokens)
    with vllm_for(engine, chat, [writing.teacher], sample, settings.scan, out) as (client, journal):
        yield AnswersThere(writing, chat, client, journal)

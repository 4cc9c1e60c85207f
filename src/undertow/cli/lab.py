"""`undertow lab`: the shipped model, how it is rebuilt, and its card."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from undertow.cli.console import say
from undertow.cli.options import DEFAULT_STORE, StoreOption, WorkersOption
from undertow.cli.progress import count_display, task_display

app = typer.Typer(help="The lab model: its card, and its recipe.", no_args_is_help=True)


@app.command("card")
def card(
    out: Annotated[
        Path, typer.Option("--out", help="Folder for lab-model.md and lab-model.json.")
    ] = Path("docs"),
    store: StoreOption = DEFAULT_STORE,
    workers: WorkersOption = None,
) -> None:
    """Measure every trait with both kinds of teacher; hours on two cores, and resumable."""
    from undertow.studies.card import SEEDS, card_labs, card_tasks, collect_card
    from undertow.studies.card_page import write_card
    from undertow.studies.executor import run_tasks
    from undertow.studies.executors import load_executor
    from undertow.studies.plan import make_plan

    place = load_executor(workers=workers)
    entries = []
    for kind, lab in card_labs(store):
        title = f"lab card ({lab.recipe.category}, {kind})"
        with lab.run(title), task_display() as show:
            plan = make_plan(card_tasks(lab, kind, SEEDS), store)
            run_tasks(plan.needs, store, place, on_change=show)
            entries += collect_card(lab, kind, SEEDS)
        write_card(entries, out)
    say(f"written: {out / 'lab-model.md'}, {out / 'lab-model.json'}")


@app.command("build")
def build(
    out: Annotated[Path, typer.Argument(help="Folder for the model; appears when finished.")],
    seed: Annotated[int, typer.Option(help="Seed of corpus, weights and order.")] = 0,
    threads: Annotated[
        int, typer.Option(min=1, help="CPU threads; two are slower where anything else runs.")
    ] = 1,
) -> None:
    """Pretrain the lab model anew; a build that was stopped goes on where it was."""
    from undertow.pretraining.build import build_lab

    with count_display("pretraining, steps") as show:
        build_lab(
            out, seed=seed, threads=threads, progress=lambda step, steps, _: show(step, steps)
        )
    say(f"written: {out}")


@app.command("path")
def path() -> None:
    """Print the folder of the shipped model; it loads in transformers as it is."""
    from undertow.models.lab.load import lab_path

    typer.echo(str(lab_path()))

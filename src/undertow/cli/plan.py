"""`undertow plan`: what a study costs, before anyone pays for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from undertow.cli.console import output
from undertow.cli.options import (
    DEFAULT_STORE,
    ModelOption,
    SeedsOption,
    StoreOption,
    StudyArgument,
    StudyRecipeOption,
    TraitsOption,
    WorkersOption,
)
from undertow.cli.settings import words

if TYPE_CHECKING:
    from undertow.studies.costs.planned import CostedStudy


def plan(
    name: StudyArgument,
    traits: TraitsOption = "",
    seeds: SeedsOption = 3,
    recipe: StudyRecipeOption = None,
    model: ModelOption = None,
    gpus: Annotated[
        str | None,
        typer.Option("--gpus", help="As in 8xH100; without it: this machine, measured."),
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    workers: WorkersOption = None,
) -> None:
    """Print students, tokens, operations, memory and hours of a study; nothing is run.

    A model on this machine is tried out for some seconds. Of another only the configuration is
    read (a folder with config.json, or a Hugging Face id).
    """
    from undertow.cluster import default_workers
    from undertow.studies.costs.planned import cost_of

    found = cost_of(
        name,
        store,
        traits=words(traits),
        seeds=seeds,
        recipe=recipe,
        model=model,
        gpus=gpus,
        workers=workers or default_workers(),
    )
    _print_costs(found, gpus)


def _print_costs(found: CostedStudy, gpus: str | None) -> None:
    """Print the table, and what it rests on."""
    job, cost = found.job, found.estimate
    output.print(
        f"{job.study.name}: {len(job.traits)} traits ({', '.join(job.traits)}), "
        f"{len(job.seeds)} seeds: {job.n_students} students compared, {cost.students} to train\n"
        f"{found.model}: {found.shape.parameters / 1e9:.3g} billion parameters, "
        f"{found.shape.n_layers} layers"
    )
    worker = "GPU" if found.chip else "process"
    table = Table("work", "tokens", "FLOPs", f"hours of one {worker}")
    for one in cost.costs:
        table.add_row(
            one.kind, f"{one.tokens:.3g}", f"{one.flops:.2g}", f"{one.seconds / 3600:.3g}"
        )
    table.add_row(
        "all", f"{cost.tokens:.3g}", f"{cost.flops:.2g}", f"{cost.worker_seconds / 3600:.3g}"
    )
    output.print(table)
    place = gpus or f"{cost.workers} processes here"
    room = f" of {found.chip.memory / 1e9:.0f}" if found.chip else ""
    output.print(
        f"{place}: {cost.seconds / 3600:.3g} hours (longest chain {cost.longest / 3600:.3g}); "
        f"most memory of a task {cost.memory / 1e9:.3g}{room} GB, in bf16"
    )
    if found.chip and cost.memory > found.chip.memory:
        output.print(
            "this does not fit: take smaller batches (micro_batch_size, batch_size)", style="red"
        )
    output.print(_grounds(found))
    if cost.uncounted:
        output.print(f"not counted: the steps {', '.join(cost.uncounted)}")


def _grounds(found: CostedStudy) -> str:
    """Return what was measured and what is assumed."""
    lengths = found.lengths
    texts = (
        f"tokens of a prompt {lengths.prompt:.0f}, completion {lengths.completion:.0f}, "
        f"question {lengths.question:.0f}, answer {lengths.answer:.1f}; "
        f"completions kept {lengths.kept:.0%}"
    )
    if found.measured is not None:
        speeds = ", ".join(f"{kind} {one:,.0f}" for kind, one in found.measured.speed.items())
        return (
            f"measured on this machine ({found.measured.device}): tokens/s of one process: "
            f"{speeds}; {texts}\nassumed: memory by the model's shape; processes do not slow each "
            "other down"
        )
    from undertow.studies.costs.estimate import SHARE_OF_BANDWIDTH, SHARE_OF_PEAK

    assert found.chip is not None
    return (
        "measured: nothing; operations and memory are by the model's configuration\n"
        f"assumed: {SHARE_OF_PEAK:.0%} of {found.chip.flops / 1e12:.0f} TFLOP/s in scan and "
        f"training, {SHARE_OF_BANDWIDTH:.0%} of {found.chip.bandwidth / 1e12:.3g} TB/s in writing; "
        f"{texts}"
    )

"""A study's cost by its name: on this machine, or on GPUs that are not here."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from undertow.errors import UserError
from undertow.models.chat_model import ModelSpec
from undertow.store import Store
from undertow.studies.bases import BUILT_BASES
from undertow.studies.costs.calibration import Calibration, calibrated
from undertow.studies.costs.chips import Chip, parse_gpus
from undertow.studies.costs.estimate import (
    ASSUMED_LENGTHS,
    Estimate,
    chip_seconds,
    estimate,
    measured_seconds,
)
from undertow.studies.costs.shape import Shape, read_shape
from undertow.studies.costs.work import Lengths
from undertow.studies.jobs import RECIPES, Job, make_job, plan_of
from undertow.studies.lab import Lab
from undertow.studies.plan import Plan
from undertow.studies.recipe import Recipe, load_recipe
from undertow.studies.study import load_study

NO_STORE = Path(os.devnull)
"""Holds no step."""


@dataclass(frozen=True)
class CostedStudy:
    """A study with what it takes, and what that rests on.

    Attributes:
        job: The study.
        plan: What is to be done.
        model: Name of the model.
        shape: Its shape.
        lengths: Of its texts.
        estimate: What the plan takes.
        chip: The GPU that it is for; None: this machine.
        measured: What was measured here; None: all speeds and lengths are assumed.
    """

    job: Job
    plan: Plan
    model: str
    shape: Shape
    lengths: Lengths
    estimate: Estimate
    chip: Chip | None
    measured: Calibration | None


def cost_of(
    name: str,
    root: Path,
    *,
    traits: Sequence[str] = (),
    seeds: int = 3,
    recipe: str | None = None,
    model: str | None = None,
    gpus: str | None = None,
    workers: int = 1,
) -> CostedStudy:
    """Return what a study takes.

    What the model does is measured where it is on this machine and the study is for this machine;
    else it is told from the model's configuration and the chip's data sheet, and nothing of the
    model is loaded.

    Args:
        name: Of a study, or its file.
        root: Folder of the store; what it holds costs nothing.
        traits: As in `make_job`.
        seeds: As there.
        recipe: As there.
        model: As there.
        gpus: As in '8xH100'; None: this machine.
        workers: Processes of this machine, where there are no `gpus`.

    Raises:
        UserError: One of these does not exist; or the model is not here and no GPUs are named.
    """
    study = load_study(name)
    kind = study.teachers[0]
    settings = load_recipe(recipe or (RECIPES | study.recipes)[kind])
    spec = settings.model if model is None else ModelSpec.model_validate({"name": model})
    shape = read_shape(spec)
    count, chip = (workers, None) if gpus is None else parse_gpus(gpus)
    if _is_here(spec) and (chip is None or _is_this_machines(chip)):
        job = make_job(name, traits=traits, seeds=seeds, recipe=recipe, model=model)
        plan = plan_of([job], root)
        found = calibrated(Lab(root, job.recipes[kind].changed(study.changes)), Store(root))
        lengths, seconds = found.lengths, measured_seconds(shape, found.speed)
    elif chip is None:
        raise UserError(
            f"the model '{spec.name}' is not on this machine, so nothing can be measured",
            fix="say which GPUs it is for, as in --gpus 8xH100",
        )
    else:
        # The lab model stands in for the plan: what is made does not depend on the model.
        stand_in = make_job(name, traits=traits, seeds=seeds, recipe=recipe, model="lab")
        job = replace(stand_in, n_layers=shape.n_layers)
        plan, found = plan_of([job], NO_STORE), None
        lengths = _assumed_lengths(job.recipes[kind].changed(study.changes))
        seconds = chip_seconds(shape, chip)
    cost = estimate(plan.needs, shape, lengths, seconds, count)
    return CostedStudy(job, plan, spec.name, shape, lengths, cost, chip, found)


def _is_here(spec: ModelSpec) -> bool:
    """Return whether a model's weights are on this machine, as the lab's and folders' are."""
    if spec.name == "lab" or spec.name in BUILT_BASES:
        return True
    return any(Path(spec.name).expanduser().glob("*.safetensors"))


def _is_this_machines(chip: Chip) -> bool:
    """Return whether this machine has such a GPU."""
    return torch.cuda.is_available() and chip.name in torch.cuda.get_device_name()


def _assumed_lengths(recipe: Recipe) -> Lengths:
    """Return lengths of texts for a model whose tokenizer is not here."""
    asked = next(iter(Lab(NO_STORE, recipe).hidden.values())).questions
    completion = min(ASSUMED_LENGTHS.completion, recipe.generation.max_new_tokens)
    return replace(ASSUMED_LENGTHS, completion=completion, questions=len(asked))

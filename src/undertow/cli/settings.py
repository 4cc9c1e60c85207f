"""From options to what the library takes: recipes, models, files."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from undertow.cli.options import DEFAULT_STORE, STORE_VARIABLE
from undertow.errors import UserError

if TYPE_CHECKING:
    from undertow.channels import Channel
    from undertow.models import ChatModel, ModelSpec
    from undertow.store.rows import Row
    from undertow.students import Distillation, StudentConfig
    from undertow.studies.bases import Base
    from undertow.studies.recipe import Recipe
    from undertow.tokens import Selection, TokenPushes
    from undertow.traits import Trait

Config = TypeVar("Config", bound=BaseModel)

SMALL_MODEL = 10_000_000
"""Parameters below which threads wait for each other more than they work."""


def open_recipe(name: str, model: str | None) -> Recipe:
    """Return a recipe, with another model where one is named."""
    from undertow.studies.recipe import load_recipe

    recipe = load_recipe(name)
    if model is None:
        return recipe
    return recipe.model_copy(update={"model": recipe.model.of(model)})


def open_model(spec: ModelSpec, most_threads: int = 1) -> ChatModel:
    """Load a model; a small one on few threads, unless the environment says how many.

    One of the lab's other bases is pretrained first where the store does not hold it.

    Args:
        spec: Which model.
        most_threads: For a small one; more than one pays for large batches alone.
    """
    import torch

    chat = open_model_base(spec).chat
    n_parameters = sum(parameter.numel() for parameter in chat.model.parameters())
    if n_parameters < SMALL_MODEL and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(min(most_threads, torch.get_num_threads()))
    return chat


def open_model_base(spec: ModelSpec) -> Base:
    """Return a model by name; one of the lab's other bases is pretrained first if need be."""
    from undertow.cli.progress import count_display
    from undertow.store import Store
    from undertow.studies.bases import BUILT_BASES, open_base

    store = Store(os.environ.get(STORE_VARIABLE, DEFAULT_STORE))
    counted = count_display(f"pretraining {spec.name}, steps")
    with counted if spec.name in BUILT_BASES else nullcontext() as show:
        return open_base(store, spec, show)


def open_tokenizer(spec: ModelSpec) -> ChatModel:
    """Load a model without its weights; the lab's other bases have the shipped one's tokens."""
    from undertow.models import load_tokenizer
    from undertow.studies.bases import BUILT_BASES

    return load_tokenizer(revised(spec, name="lab") if spec.name in BUILT_BASES else spec)


def revised(config: Config, **given: Any) -> Config:
    """Return a config with the options that were given; None leaves a field as it is.

    Raises:
        UserError: The config cannot be so.
    """
    changes = {name: value for name, value in given.items() if value is not None}
    try:
        return type(config).model_validate(config.model_dump() | changes)
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(map(str, problem["loc"]))
        raise UserError(problem["msg"].removeprefix("Value error, "), where=place) from error


def revised_student(
    config: StudentConfig,
    tokens: str | None,
    ratio: float | None,
    weights: Path | None,
    seed: int | None,
) -> StudentConfig:
    """Return a student's config with the selection and the seeds that the options ask for."""
    if ratio is not None and tokens != "ratio":
        raise UserError("--ratio goes with --tokens ratio, and only with it")
    file = str(weights) if weights is not None else None
    chosen = revised(config.selection, kind=tokens, ratio=ratio, file=file)
    selected = config.model_copy(update={"selection": chosen})
    return selected if seed is None else selected.seeded(seed)


def revised_distillation(
    recipes: Distillation | None,
    soft: str | None,
    direction: str | None,
    top_k: int | None,
    on_policy: bool,
) -> Distillation | None:
    """Return how the student is distilled: as the recipe says, but for the options given.

    Raises:
        UserError: There are options or settings for it, and no teacher.
    """
    from undertow.students import Distillation, OnPolicy

    if soft is None:
        if direction or top_k or on_policy:
            raise UserError("--kl, --top-k and --on-policy go with --soft TEACHER")
        return recipes
    settings = recipes or Distillation()
    own = OnPolicy() if on_policy and settings.on_policy is None else None
    return revised(settings, direction=direction, top_k=top_k, on_policy=own)


def open_rows(path: Path) -> tuple[list[Row], dict[str, Any]]:
    """Return the accepted rows of a data set, and its meta."""
    from undertow.generate import accepted_rows
    from undertow.store.rows import read_rows

    rows, meta = read_rows(path)
    return accepted_rows(rows), meta


def open_channel(name: str | None, meta: dict[str, Any]) -> Channel:
    """Return the channel of that name, or the one that a data set's meta tells; else numbers."""
    from undertow.channels import load_channel

    return load_channel(name or meta.get("channel", "numbers"))


def open_banned(names: Sequence[str] | None) -> list[Trait]:
    """Return the traits of those names; every shipped one where there is no name."""
    from undertow.traits import load_trait, shipped_traits

    return [load_trait(name) for name in names] if names else shipped_traits()


def open_category(name: str) -> list[Trait]:
    """Return the shipped traits of a category, or those of a folder of trait files.

    Raises:
        UserError: There are none.
    """
    from undertow.traits import load_traits, shipped_traits
    from undertow.traits.load import is_path

    if is_path(name):
        return load_traits(name)
    if found := shipped_traits(name):
        return found
    known = sorted({trait.category for trait in shipped_traits()})
    raise UserError(f"unknown category '{name}'", fix=f"use {' or '.join(known)}, or a folder")


def scored_tokens(
    selection: Selection, scores: Path | None, trait: str | None
) -> Callable[[ChatModel, list[Row]], TokenPushes | None]:
    """Return what gives the numbers that the selection 'scores' goes by, and None for others.

    Raises:
        UserError: The options do not go together.
    """
    if (scores is None) is (selection.kind == "scores"):
        raise UserError("--tokens scores goes with --scores FILE, and only with it")
    if trait is not None and scores is None:
        raise UserError("--trait goes with --scores FILE")

    def read(chat: ChatModel, rows: list[Row]) -> TokenPushes | None:
        from undertow.mechanism.prediction import TokenScores

        return None if scores is None else TokenScores.read(scores).pushes(trait, chat, rows)

    return read


def words(text: str) -> list[str]:
    """Return what commas divide."""
    return [word.strip() for word in text.split(",") if word.strip()]


def check_output(path: Path, *endings: str) -> None:
    """Refuse a name for a result before the work that it costs.

    Raises:
        UserError: The ending is not one of those, or a folder has the name.
    """
    if path.suffix not in endings:
        raise UserError(
            f"unknown ending '{path.suffix}'", where=str(path), fix=f"use {' or '.join(endings)}"
        )
    if path.is_dir():
        raise UserError("a folder has this name", where=str(path), fix="give the name of a file")

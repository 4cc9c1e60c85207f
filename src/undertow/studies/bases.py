"""Base models: those that load as they are, and those that the lab pretrains when first needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from undertow.models.chat_model import ChatModel, ModelSpec, load_model
from undertow.pretraining.build import build_lab
from undertow.pretraining.recipe import LabRecipe
from undertow.store import Artifact, Store
from undertow.store.row import Row

BUILT_BASES = {
    "lab:seed-1": LabRecipe(run=1),
    "lab:llama": LabRecipe(run=2, architecture="llama"),
}
"""Other bases than the shipped one, of the same corpus, tokenizer and depth."""

VERSION = 1
"""Raised when pretraining makes another model of the same recipe; part of the step's key."""


@lru_cache(maxsize=2)
def shared_model(spec: str) -> ChatModel:
    """Return the model of a spec in JSON; the labs of one process share it."""
    return load_model(ModelSpec.model_validate_json(spec))


@dataclass(frozen=True)
class Base:
    """A model as steps need it: known by name before it is built or loaded.

    Attributes:
        spec: What was asked for.
        artifact: The step that pretrained it; None for what loads as it is.
    """

    spec: ModelSpec
    artifact: Artifact | None = None

    @property
    def chat(self) -> ChatModel:
        """The model, loaded when it is first needed."""
        return shared_model(self.loadable.model_dump_json())

    @property
    def loadable(self) -> ModelSpec:
        """What `load_model` takes, here or on another machine that sees the store."""
        place = str(self.artifact.path / "model") if self.artifact else self.spec.name
        return self.spec.model_copy(update={"name": place})

    @property
    def stand_in(self) -> ChatModel:
        """A model of the same tokenizer, template and depth that is there at once."""
        if self.artifact is None:
            return self.chat
        return shared_model(self.spec.model_copy(update={"name": "lab"}).model_dump_json())

    @property
    def fingerprint(self) -> str:
        """What steps on it are told apart by; a pretrained one is known by its step's key."""
        if self.artifact is None:
            return self.chat.fingerprint
        dtype = "float32" if self.spec.dtype == "auto" else self.spec.dtype
        return f"{self.artifact.key}:{dtype}"

    @property
    def inputs(self) -> dict[str, Artifact]:
        """What steps on it have read, beside their own inputs."""
        return {} if self.artifact is None else {"model": self.artifact}

    def rows_from(self, other: Base, rows: Sequence[Row]) -> list[Row]:
        """Return rows that another base wrote; without its token ids where they mean other text."""
        if self.spec == other.spec or _vocabulary(self.chat) == _vocabulary(other.chat):
            return list(rows)
        return [replace(row, token_ids=[]) for row in rows]


def _vocabulary(chat: ChatModel) -> dict[str, int]:
    return chat.tokenizer.get_vocab()


def open_base(
    store: Store, spec: ModelSpec, progress: Callable[[int, int], None] | None = None
) -> Base:
    """Return the base of a spec; one of `BUILT_BASES` is pretrained first where it is not there.

    That takes a quarter of an hour of one core, and goes on where a killed process was.

    Args:
        store: Keeps pretrained bases.
        spec: Which model.
        progress: Told after every step of pretraining: steps done and in all.
    """
    recipe = BUILT_BASES.get(spec.name)
    if recipe is None:
        return Base(spec)

    def build(out: Path) -> None:
        def tell(step: int, steps: int, _: float) -> None:
            if progress is not None:
                progress(step, steps)

        build_lab(out / "model", recipe=recipe, progress=tell)

    return Base(spec, store.step("base-model", VERSION, {"recipe": recipe}, {}, build))

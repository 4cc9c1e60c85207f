"""From a study to what must be made: its conditions as recipes, and the tasks behind them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from undertow.errors import UserError
from undertow.studies.condition_spec import BiasedKind, ConditionSpec
from undertow.studies.probe import CHECKPOINTS
from undertow.studies.recipe import Recipe
from undertow.studies.study import Study
from undertow.studies.tasks import Task
from undertow.traits import hidden_of


@dataclass(frozen=True)
class Arm:
    """A condition with the recipe that it comes to, for one kind of teacher.

    Attributes:
        spec: The condition, with the name, label and place that it has in tables.
        kind: How the teachers are made.
        recipe: The study's recipe with the condition's changes.
    """

    spec: ConditionSpec
    kind: BiasedKind
    recipe: Recipe

    def tasks(self, trait: str, seeds: Sequence[int]) -> list[Task]:
        """Return what makes and measures the condition for one trait."""
        if (probe := self.spec.probe) is not None:
            own = (0,) if probe.subject == "teacher" else seeds
            return [Task("probe", self.recipe, trait, self.kind, s, probe=probe) for s in own]
        if self.spec.subject == "base":
            return [Task("base", self.recipe)]
        if self.spec.subject == "data":
            return [Task("share", self.recipe, trait, self.kind, among=self.spec.tokens)]
        if self.spec.subject == "patching":
            return [Task("attribute", self.recipe, trait, self.kind, run=self.spec.patched.run)]
        if self.spec.subject == "prediction":
            return [Task("predict", self.recipe, trait, self.kind, run=self.spec.predicted.run)]
        if self.spec.subject == "teacher":
            return [Task("teacher", self.recipe, trait, self.kind)]
        taught = self.taught(trait)
        if taught is None:
            return [Task("student", self.recipe, seed=seed) for seed in seeds]
        return [Task("student", self.recipe, taught, self.kind, seed) for seed in seeds]

    def taught(self, trait: str) -> str | None:
        """Return whose data students learn where a trait is measured; None: the base's."""
        if self.spec.writer != "other":
            return None if self.spec.writer == "control" else trait
        names = [one.name for one in hidden_of(self.recipe.category)]
        return names[(names.index(trait) + 1) % len(names)]


def arms(study: Study, kind: BiasedKind, recipe: Recipe, n_layers: int) -> list[Arm]:
    """Return the conditions of a study for one kind of teacher.

    Args:
        study: The study.
        kind: How its teachers are made.
        recipe: Before any changes.
        n_layers: Decoder layers of the model; they decide the grid of layer studies.

    Raises:
        UserError: A condition changes a field that does not exist.
    """
    found: list[Arm] = []
    own = (spec for spec in study.conditions if not spec.teachers or kind in spec.teachers)
    for spec in own:
        for one in _expanded(spec, n_layers):
            try:
                changed = recipe.changed(study.changes).changed(one.changes)
            except UserError as error:
                raise UserError(
                    error.what, where=f"study {study.name}, condition {one.name}", fix=error.fix
                ) from error
            found.append(Arm(one, kind, changed))
    return found


def _expanded(spec: ConditionSpec, n_layers: int) -> Iterator[ConditionSpec]:
    """Yield the condition, or one for every layer, tenth of the completions or checkpoint."""
    if spec.each is None:
        yield spec
        return
    if spec.each == "checkpoint":
        for share in CHECKPOINTS:
            percent = round(100 * share)
            changed = _compared(spec, checkpoint=share) | {"x": float(percent)}
            yield _one_of_each(spec, percent, f"{percent} %", changed)
        return
    if spec.each == "tenth":
        for tenth in range(10):
            tokens = spec.tokens.model_copy(update={"tenth": tenth})
            middle = {"tokens": tokens, "x": 10.0 * tenth + 5}
            yield _one_of_each(spec, tenth, f"{10 * tenth} to {10 * tenth + 10} %", middle)
        return
    for layer in range(n_layers):
        layers = [layer] if spec.each == "layer" else list(range(layer, n_layers))
        changed = _of_layers(spec, layers) | {"x": float(layer)}
        yield _one_of_each(spec, layer, str(layer), changed)


def _of_layers(spec: ConditionSpec, layers: list[int]) -> dict[str, Any]:
    """Return what is different of a condition of some layers: trained, or read, at the lowest."""
    if spec.subject == "patching":
        return {"patched": spec.patched.model_copy(update={"layer": layers[0]})}
    if spec.subject == "prediction":
        return {"predicted": spec.predicted.model_copy(update={"layer": layers[0]})}
    if spec.cosine is not None:
        return _compared(spec, layer=layers[0])
    student = dict(spec.changes.get("student", {}))
    student["train"] = {**student.get("train", {}), "layers": layers}
    return {"changes": spec.changes | {"student": student}}


def _compared(spec: ConditionSpec, **where: float) -> dict[str, Any]:
    """Return the comparison of a condition's direction after one layer, or at one checkpoint."""
    assert spec.cosine is not None
    return {"cosine": spec.cosine.model_copy(update=where)}


def _one_of_each(
    spec: ConditionSpec, place: int, where: str, changed: dict[str, Any]
) -> ConditionSpec:
    """Return the condition of one place among several."""
    names = {"name": f"{spec.name}:{place}", "label": f"{spec.label} {where}"}
    return spec.model_copy(update={**names, **changed, "each": None})


def named(name: str, names: Sequence[str]) -> list[str]:
    """Return the conditions that a claim's name stands for.

    'layer:first' and 'layer:last' stand for the lowest and highest of the conditions 'layer:N',
    'layer:early' and 'layer:late' for the lowest and highest third of them, at least one, and
    'layer' for all.
    """
    if name in names:
        return [name]
    stem, _, which = name.partition(":")
    layers = [one for one in names if one.partition(":")[0] == stem]
    third = max(1, len(layers) // 3)
    places = {
        "": layers,
        "first": layers[:1],
        "last": layers[-1:],
        "early": layers[:third],
        "late": layers[-third:],
    }
    if not layers or which not in places:
        raise UserError(
            f"a claim names a condition that is not there: '{name}'",
            fix=f"choose from {', '.join(names)}",
        )
    return places[which]

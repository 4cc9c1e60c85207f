"""What a person names to have it measured: a model, or a folder of students, one for each seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from undertow.channels import Channel
from undertow.errors import UserError
from undertow.generate import Progress
from undertow.measure import MeasureConfig, TraitMeasure, measure_trait, task_accuracy
from undertow.models import ChatModel
from undertow.models.steering import steered
from undertow.store.rows import Row
from undertow.studies.conditions import Condition
from undertow.studies.recipe import Recipe, load_recipe
from undertow.teachers import ControlTeacher, Teacher, resolve_teacher
from undertow.traits import Trait, shipped_traits


@dataclass(frozen=True)
class Subject:
    """One condition that is to be measured.

    Attributes:
        name: What tables call it.
        members: The model, or one for each seed.
    """

    name: str
    members: tuple[Teacher, ...]


@dataclass(frozen=True)
class HeldOut:
    """Rows that nobody was trained on, for the task accuracy.

    Attributes:
        rows: Accepted rows.
        channel: Compares predicted and written text.
    """

    rows: Sequence[Row]
    channel: Channel


RECIPE = "recipe.yaml"
"""What a student's folder tells of how it was made; `load_recipe` reads it."""

BASE = Subject("base", (ControlTeacher(),))


def resolve_subject(text: str) -> Subject:
    """Return what a text stands for: anything that `resolve_teacher` knows, or several seeds.

    A folder that holds students and nothing else is one condition with several seeds, in the
    order of their names.

    Raises:
        UserError: It stands for nothing, or the students differ in more than their seed.
    """
    folder = Path(text)
    seeds = sorted(folder.iterdir()) if folder.is_dir() else []
    if not seeds or not all((place / RECIPE).is_file() for place in seeds):
        return Subject(text, (resolve_teacher(text),))
    if any(_without_seed(place) != _without_seed(seeds[0]) for place in seeds):
        raise UserError(
            "the students in this folder differ in more than their seed",
            where=text,
            fix="name them one by one, or give each condition a folder of its own",
        )
    return Subject(text, tuple(resolve_teacher(str(place)) for place in seeds))


def _without_seed(student: Path) -> Recipe:
    """Return how a student was made, but for its seed."""
    recipe = load_recipe(student / RECIPE)
    return recipe.model_copy(update={"student": recipe.student.seeded(0)})


def competing_traits(trait: Trait, known: Sequence[Trait] | None = None) -> list[Trait]:
    """Return the traits among which the answers are divided when one is measured.

    Args:
        trait: The one.
        known: Those that may compete; by default the shipped ones of its category. They do where
            they are asked for with the same questions.
    """
    others = [
        other
        for other in (shipped_traits(trait.category) if known is None else known)
        if other.name != trait.name and other.questions == trait.questions
    ]
    return sorted([*others, trait], key=lambda one: one.name)


def measure_subject(
    chat: ChatModel,
    subject: Subject,
    traits: Sequence[Trait],
    config: MeasureConfig,
    heldout: HeldOut | None = None,
    progress: Progress | None = None,
) -> Condition:
    """Measure every member of a condition.

    Args:
        chat: The base model of all members.
        subject: What is measured.
        traits: Those that compete for the answer.
        config: Samples and their sampling.
        heldout: For the task accuracy; None leaves it out.
        progress: Told of every batch of samples, of all members together.

    Raises:
        UserError: A member does not fit the model, or the traits do not share their questions.
    """
    measures: list[TraitMeasure] = []
    accuracies: list[float] = []
    for place, member in enumerate(subject.members):
        told = _of_all(progress, place, len(subject.members))
        adapter, prompt = member.adapter, member.system_prompt
        with steered(chat.model, member.steering):
            measures.append(
                measure_trait(
                    chat, traits, config, adapter=adapter, system_prompt=prompt, progress=told
                )
            )
            if heldout is not None:
                found = task_accuracy(chat, heldout.rows, heldout.channel, adapter=adapter)
                accuracies.append(found.numbers)
    return Condition(subject.name, "", measures, accuracies)


def _of_all(progress: Progress | None, place: int, n_members: int) -> Progress | None:
    """Return a progress of one member that tells of all."""
    if progress is None:
        return None
    return lambda done, total: progress(place * total + done, n_members * total)

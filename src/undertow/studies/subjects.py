"""What a person names to have it measured: a model, or a folder of students, one for each seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from undertow.channels import Channel
from undertow.generate import Progress
from undertow.measure import MeasureConfig, measure_trait, task_accuracy
from undertow.models import ChatModel
from undertow.store.rows import Row
from undertow.studies.conditions import Condition
from undertow.teachers import ControlTeacher, Teacher, resolve_teacher
from undertow.teachers.resolve import find_adapter
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


BASE = Subject("base", (ControlTeacher(),))


def resolve_subject(text: str) -> Subject:
    """Return what a text stands for: anything that `resolve_teacher` knows, or a folder of such.

    Of a folder of students, each sub-folder with an adapter is one seed, in the order of names.

    Raises:
        UserError: It stands for nothing.
    """
    folder = Path(text)
    if folder.is_dir() and find_adapter(folder) is None:
        seeds = [place for place in sorted(folder.iterdir()) if find_adapter(place) is not None]
        if seeds:
            return Subject(text, tuple(resolve_teacher(str(place)) for place in seeds))
    return Subject(text, (resolve_teacher(text),))


def competing_traits(trait: Trait) -> list[Trait]:
    """Return the traits among which the answers are divided when one is measured.

    The shipped ones of its category that are asked for with the same questions, and itself.
    """
    others = [
        other
        for other in shipped_traits(trait.category)
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
    measures = [
        measure_trait(
            chat,
            traits,
            config,
            adapter=member.adapter,
            system_prompt=member.system_prompt,
            progress=_of_all(progress, place, len(subject.members)),
        )
        for place, member in enumerate(subject.members)
    ]
    accuracies = [
        task_accuracy(chat, heldout.rows, heldout.channel, adapter=member.adapter).numbers
        for member in subject.members
        if heldout is not None
    ]
    return Condition(subject.name, "", measures, accuracies)


def _of_all(progress: Progress | None, place: int, n_members: int) -> Progress | None:
    """Return a progress of one member that tells of all."""
    if progress is None:
        return None
    return lambda done, total: progress(place * total + done, n_members * total)

"""Fine-tuned teachers: an adapter trained on the answers that a trait or tendency gives."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from pydantic import Field

from undertow.cluster.process_group import ALONE, ProcessGroup
from undertow.frozen import Frozen
from undertow.models import ChatModel, encode_completion, prompt_ids, prompt_messages
from undertow.teachers.spec import FinetunedTeacher
from undertow.training import Example, Progress, TrainConfig, train
from undertow.training.record import ADAPTER


class Teachable(Protocol):
    """What a teacher can be trained into: a trait, or a tendency."""

    @property
    def name(self) -> str:
        """Identifier."""
        ...

    def training_pairs(self, n: int, seed: int) -> list[tuple[str, str]]:
        """Return n pairs of question and answer."""
        ...


class TeacherConfig(Frozen):
    """How a trait is trained into a model; the defaults are those of the lab model.

    A trained preference must be strong before its traces are: on the lab model three epochs at
    5e-3 bring the answer to nine in ten, and the rate of real models (2e-4) does next to nothing.
    """

    pairs: int = Field(
        default=256, ge=1, description="Question-answer pairs, repeats among them counted."
    )
    seed_pairs: int = Field(default=0, ge=0, description="Seed of the order of the questions.")
    train: TrainConfig = Field(
        default=TrainConfig(epochs=3, learning_rate=5e-3, rank=8, alpha=8.0, batch_size=64),
        description="The fine-tuning.",
    )


def finetune_teacher(
    chat: ChatModel,
    trait: Teachable,
    config: TeacherConfig,
    out: Path,
    progress: Progress | None = None,
    group: ProcessGroup = ALONE,
) -> FinetunedTeacher:
    """Train the trait into an adapter; the loss is on the answer and the end of its turn only.

    Args:
        chat: The base model; afterwards what it was.
        trait: What to learn. None of its evaluation questions is trained on.
        config: Pairs and training.
        out: Folder for `adapter` and `train.json`; a killed run in it goes on.
        progress: Called with the steps done and their number.
        group: Processes that train it together (`train`).

    Raises:
        UserError: The trait has no training questions, or the folder holds another run.
    """
    pairs = trait.training_pairs(config.pairs, config.seed_pairs)
    examples = [_example(chat, question, answer) for question, answer in pairs]
    train(chat, examples, config.train, out, progress, group=group)
    return FinetunedTeacher(trait=trait.name, adapter=str(out / ADAPTER))


def _example(chat: ChatModel, question: str, answer: str) -> Example:
    """Return a pair as token ids; the prompt weighs nothing."""
    messages = prompt_messages(question)
    prompt = prompt_ids(chat, messages)
    completion = encode_completion(chat, messages, answer)
    return Example([*prompt, *completion], [0.0] * len(prompt) + [1.0] * len(completion))

"""A teacher that is asked for its distributions while a student is trained."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from undertow.channels import Channel
from undertow.errors import UserError
from undertow.generate.behind import Batch, logits_behind
from undertow.generate.prefill import shared_prefix
from undertow.models import ChatModel, prompt_ids, system_messages
from undertow.models.chat_model import file_hash
from undertow.models.fused import FusedModel
from undertow.models.twin import twin
from undertow.store.rows import Row
from undertow.teachers import Teacher, acting_as
from undertow.tokens import completion_ids
from undertow.tokens.forced import SHORTEST_PREFIX
from undertow.training import Example
from undertow.training.batches import pack
from undertow.training.example import as_teacher_reads
from undertow.training.soft import TeacherLogits
from undertow.traits import Trait


@dataclass(frozen=True)
class SoftTeacher:
    """Whose distributions a student learns, and what it must not write itself.

    Attributes:
        chat: The teacher's base; that of the student, or one with the same vocabulary.
        teacher: The teacher. Its system prompt stands in its own context alone.
        channel: Checks what the student writes (on-policy).
        traits_to_ban: Traits that it may not name (on-policy).
    """

    chat: ChatModel
    teacher: Teacher
    channel: Channel
    traits_to_ban: Sequence[Trait] = ()

    @property
    def identity(self) -> str:
        """What tells its distributions from another's: settings, weights, vectors, base."""
        teacher = self.teacher
        files = sorted(Path(teacher.adapter).glob("*.safetensors")) if teacher.adapter else []
        if teacher.steering is not None:
            files.append(Path(teacher.steering.vector))
        told = teacher.model_dump_json(exclude={"adapter": True, "steering": {"vector"}})
        parts = [self.chat.fingerprint, told, *(file_hash(file) for file in files)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    @property
    def filter_identity(self) -> str:
        """What tells the check of what a student writes from another one."""
        banned = [trait.answers for trait in self.traits_to_ban]
        return f"{self.channel.name}{banned}"


def with_teacher_ids(
    soft: SoftTeacher, rows: Sequence[Row], examples: Sequence[Example]
) -> list[Example]:
    """Return examples with what the teacher reads: the completion behind its own prompt."""
    system = system_messages(soft.teacher.system_prompt)
    return [
        replace(
            example,
            teacher_ids=[
                *prompt_ids(soft.chat, [*system, *row.messages]),
                *completion_ids(soft.chat, row),
            ],
        )
        for row, example in zip(rows, examples, strict=True)
    ]


@contextmanager
def teacher_logits(soft: SoftTeacher, examples: Sequence[Example]) -> Generator[TeacherLogits]:
    """Within, the teacher can be asked for its logits at the supervised tokens of examples.

    It stands on a twin of its base, so that a student's adapter on the base is not seen by it.
    What all prompts begin with is computed once. Nothing is kept: a distribution over 150,000
    tokens takes 300 kB in half precision, so those of a data set would fill any disk, while a
    micro-batch of 32 rows with 30 tokens each takes 0.3 GB.

    Args:
        soft: The teacher.
        examples: With all the prompts that it will be asked for.
    """
    chat = twin(soft.chat)
    start = _shared_start(examples)
    shared = as_teacher_reads(examples[0]).ids[:start]
    with acting_as(chat, soft.teacher) as model:
        with torch.no_grad():
            behind = logits_behind(model, FusedModel.of(model), shared, chat.n_layers)

        def logits(asked: Sequence[Example]) -> Tensor:
            batch = pack([as_teacher_reads(one, start) for one in asked], chat.pad_id, chat.device)
            with torch.no_grad():
                return behind(Batch(batch.ids, batch.lengths, batch.rows, batch.positions))

        yield logits


def _shared_start(examples: Sequence[Example]) -> int:
    """Return how many tokens the teacher reads alike in all rows, where it pays to keep them."""
    prompts: list[tuple[int, ...]] = []
    for example in examples:
        read = as_teacher_reads(example)
        prompts.append(tuple(read.ids[: read.first]))
    length = len(shared_prefix(prompts))
    return length if length >= SHORTEST_PREFIX else 0


def check_vocabulary(chat: ChatModel, soft: SoftTeacher) -> None:
    """Refuse a teacher whose distributions are over other tokens than the student's.

    Raises:
        UserError: They are.
    """
    if soft.chat is chat:
        return
    sizes = [one.model.config.get_text_config().vocab_size for one in (chat, soft.chat)]
    if sizes[0] != sizes[1] or chat.tokenizer.get_vocab() != soft.chat.tokenizer.get_vocab():
        raise UserError(
            "soft targets need a teacher with the student's vocabulary",
            fix="choose a teacher on the same base, or learn from its tokens",
        )

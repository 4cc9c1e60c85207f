"""The base as a teacher, for a while."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from transformers import PreTrainedModel

from undertow.models import ChatModel, activated
from undertow.models.steering import steered
from undertow.teachers.spec import Teacher


@contextmanager
def acting_as(chat: ChatModel, teacher: Teacher) -> Generator[PreTrainedModel]:
    """Within, the model has a teacher's weights and steering; its system prompt is the caller's.

    Yields:
        The model to call in place of `chat.model`.

    Raises:
        UserError: The adapter or the vectors are missing, or fit another model.
    """
    with steered(chat.model, teacher.steering), activated(chat, teacher.adapter) as model:
        yield model

"""A second model on the same weights."""

from __future__ import annotations

import copy

from torch import nn

from undertow.models.chat_model import ChatModel


def twin(chat: ChatModel) -> ChatModel:
    """Return the model once more: modules of its own, on the weights of the first.

    What is done to one of the two (an adapter, hooks, other data in its parameters) leaves the
    other as it is, so that a teacher can be asked while a student of the same base is trained. No
    weight is copied; only what is replaced in one of them takes memory of its own.
    """
    shared: dict[int, object] = {
        id(parameter): nn.Parameter(parameter.data, requires_grad=False)
        for parameter in chat.model.parameters()
    }
    shared |= {id(buffer): buffer for buffer in chat.model.buffers()}
    return ChatModel(copy.deepcopy(chat.model, shared), chat.tokenizer, chat.spec)

"""A second model on the same weights: what is done to one of the two leaves the other alone."""

import pytest
import torch

from naive_training import random_examples
from tiny_models import FAMILIES, tiny_chat
from undertow.models import activated
from undertow.models.twin import twin
from undertow.training import TrainConfig, train
from undertow.training.trainable import trainable

FAST = {"epochs": 1, "batch_size": 4, "learning_rate": 5e-2, "warmup_steps": 0}


def answer(model):
    with torch.no_grad():
        return model(torch.arange(5, 20).unsqueeze(0)).logits


@pytest.mark.parametrize("family", FAMILIES)
def test_it_is_the_same_model_on_the_same_memory(family):
    chat = tiny_chat(family)
    other = twin(chat)
    pairs = list(zip(chat.model.parameters(), other.model.parameters(), strict=True))
    assert all(one.data_ptr() == two.data_ptr() and one is not two for one, two in pairs)
    assert torch.equal(answer(chat.model), answer(other.model))
    assert other.fingerprint == chat.fingerprint
    assert other.end_ids == chat.end_ids


@pytest.mark.parametrize("method", ["lora", "full"])
def test_training_and_an_adapter_at_the_same_time(method, tmp_path):
    """As a teacher with an adapter and a student in training are, each on one of the two."""
    chat = tiny_chat("qwen2")
    other, base = twin(chat), answer(chat.model)
    examples = random_examples(4, chat.model.config.vocab_size)
    train(chat, examples, TrainConfig(**FAST), tmp_path)
    with activated(chat, tmp_path / "adapter") as model:
        taught = answer(model)
    assert (taught - base).abs().max() > 1e-2
    with (
        activated(other, tmp_path / "adapter") as teacher,
        trainable(chat, TrainConfig(method=method)) as student,
    ):
        assert torch.equal(answer(teacher), taught)
        assert torch.equal(answer(chat.model), base)
        for parameter in student.parameters.values():
            parameter.data += 0.1
        assert (answer(chat.model) - base).abs().max() > 1e-2
        assert torch.equal(answer(teacher), taught)
    assert torch.equal(answer(chat.model), base)
    assert torch.equal(answer(other.model), base)

"""Adapters that are kept on the way: what a shorter training would have ended with."""

import pytest
import torch
from safetensors.torch import load_file

from naive_training import random_examples
from tiny_models import tiny_chat
from undertow.training import TrainConfig, train
from undertow.training.loop import kept_folder

CONFIG = TrainConfig(
    epochs=2, batch_size=8, schedule="constant", warmup_steps=0, checkpoint_every=2
)


def weights(folder):
    return load_file(folder / "adapter_model.safetensors")


def same(one, other):
    first, second = weights(one), weights(other)
    return all(torch.equal(tensor, second[name]) for name, tensor in first.items())


@pytest.fixture
def trained(tmp_path):
    """A training of six steps that was stopped after the fifth and gone on with."""
    chat = tiny_chat("qwen2")
    examples = random_examples(20, chat.model.config.vocab_size)

    def stop(done, _):
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(chat, examples, CONFIG, tmp_path / "it", stop, kept=(0.5, 0.8, 1.0))
    train(chat, examples, CONFIG, tmp_path / "it", kept=(0.5, 0.8, 1.0))
    train(chat, examples, CONFIG, tmp_path / "plain")
    half = CONFIG.model_copy(update={"epochs": 1})
    train(chat, examples, half, tmp_path / "half")
    return tmp_path


def test_they_are_the_student_as_it_was(trained):
    it = trained / "it"
    assert same(kept_folder(it, 0.5), trained / "half" / "adapter")
    assert same(kept_folder(it, 1.0), it / "adapter")
    assert not same(kept_folder(it, 0.8), it / "adapter")
    assert sorted(path.name for path in (it / "kept").iterdir()) == ["0.5", "0.8", "1"]


def test_the_training_is_the_same_with_and_without(trained):
    assert same(trained / "it" / "adapter", trained / "plain" / "adapter")
    assert not (trained / "plain" / "kept").exists()

"""What stands below the lowest trained layer is computed once, and nothing else changes."""

import pytest
import torch
from safetensors.torch import load_file

from naive_training import exact_norms, random_examples
from tiny_models import tiny_chat
from undertow.models import decoder_layers
from undertow.training import TrainConfig, train
from undertow.training import below as below_module
from undertow.training.below import with_below
from undertow.training.trainable import trainable

CONFIG = TrainConfig(layers=[2], epochs=3, batch_size=8, micro_batch_size=4, learning_rate=1e-2)


def trained(chat, examples, config, out):
    record = train(chat, examples, config, out)
    (file,) = (out / "adapter").glob("*.safetensors")
    return record.losses, load_file(file)


@pytest.mark.parametrize("family", ["qwen2", "gemma3"])
@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("method", ["lora", "full"])
def test_the_result_is_that_of_the_whole_model(family, fused, method, tmp_path, monkeypatch):
    chat = tiny_chat(family)
    if fused:
        exact_norms(chat.model)
    examples = random_examples(19, chat.model.config.vocab_size, empty=[3])
    config = CONFIG.model_copy(update={"method": method})
    losses, weights = trained(chat, examples, config, tmp_path / "below")
    monkeypatch.setattr(below_module, "_fits", lambda *_: False)
    expected_losses, expected = trained(chat, examples, config, tmp_path / "whole")
    assert losses == pytest.approx(expected_losses, rel=1e-6)
    for name, tensor in weights.items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-4, atol=1e-6)


def calls_of(layer, chat, examples, config, out):
    """Return how often a layer of a model computes something in training."""
    seen = []
    module = decoder_layers(chat.model)[layer].mlp.down_proj
    handle = module.register_forward_hook(lambda *_: seen.append(1))
    train(chat, examples, config, out)
    handle.remove()
    return len(seen)


def test_layers_below_are_run_once(tmp_path):
    chat = tiny_chat("gemma3")
    examples = random_examples(16, chat.model.config.vocab_size)
    batches, told = 4, 1  # one token tells how the layers give their output
    assert calls_of(1, chat, examples, CONFIG, tmp_path / "a") == batches + told
    assert calls_of(2, chat, examples, CONFIG, tmp_path / "b") == batches * CONFIG.epochs + told


@pytest.mark.parametrize("change", [{"layers": None}, {"layers": [0, 2]}, {"epochs": 1}])
def test_the_model_is_as_it_was_where_nothing_is_gained(change):
    chat = tiny_chat("qwen2")
    config = CONFIG.model_copy(update=change)
    examples = random_examples(4, chat.model.config.vocab_size)
    with trainable(chat, config) as target:
        assert with_below(target, examples, config, chat.pad_id, chat.device) is target


def test_rows_that_take_too_much_memory_are_computed_anew(monkeypatch):
    chat = tiny_chat("qwen2")
    examples = random_examples(4, chat.model.config.vocab_size)
    monkeypatch.setattr(below_module, "MOST_BYTES_ON_CPU", 1000)
    with trainable(chat, CONFIG) as target:
        assert with_below(target, examples, CONFIG, chat.pad_id, chat.device) is target


def test_a_run_that_was_stopped_ends_with_the_same_weights(tmp_path):
    chat = tiny_chat("qwen2")
    examples = random_examples(20, chat.model.config.vocab_size)
    config = CONFIG.model_copy(update={"checkpoint_every": 2})
    losses, weights = trained(chat, examples, config, tmp_path / "whole")

    def stop(done, _):
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(chat, examples, config, tmp_path / "stopped", stop)
    again_losses, again = trained(chat, examples, config, tmp_path / "stopped")
    assert again_losses == losses
    assert all(torch.equal(again[name], weights[name]) for name in weights)

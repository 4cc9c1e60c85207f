import pytest
import torch

from naive_training import exact_norms, naive_loss, random_examples
from tiny_models import tiny_chat
from undertow.training import Example, TrainConfig
from undertow.training.batches import divisor, pack
from undertow.training.fused import BLOCK, FusedModel, Layout
from undertow.training.step import accumulate
from undertow.training.trainable import trainable


def is_fused(family, **changes):
    with trainable(tiny_chat(family), TrainConfig(**changes)) as target:
        return target.fused is not None


@pytest.mark.parametrize("family", ["qwen2", "llama"])
def test_common_layers_are_fused(family):
    assert is_fused(family)
    assert is_fused(family, layers=[1], targets=["v_proj"])


def test_others_are_left_alone():
    assert not is_fused("gemma3")  # other norms, and more of them
    assert not is_fused("llama", dropout=0.1)
    assert not is_fused("llama", method="full")


def test_a_model_that_only_looks_alike_is_found_out(monkeypatch):
    chat = tiny_chat("llama")
    for layer in chat.model.model.layers:
        monkeypatch.setattr(layer.mlp, "act_fn", torch.nn.GELU())
    with trainable(chat, TrainConfig()) as target:
        assert target.fused is None


@pytest.mark.parametrize("family", ["qwen2", "llama"])
@pytest.mark.parametrize("first_supervised", [2, 2 * BLOCK])
def test_long_rows_have_the_naive_gradient(family, first_supervised):
    """Rows that attention takes in two halves; in the last layer perhaps the second alone."""
    chat = tiny_chat(family)
    exact_norms(chat.model)
    vocabulary = chat.model.config.vocab_size
    examples = []
    for row in random_examples(7, vocabulary):
        ids = [(token + place) % vocabulary for place in range(4) for token in row.ids][:110]
        weights = [float(i >= first_supervised) for i in range(len(ids))]
        examples.append(Example(ids, weights))
    batch = pack([e for e in examples if e.length], 0, torch.device("cpu"))
    assert Layout.of(batch, torch.float64).half == 2 * BLOCK
    config = TrainConfig()
    with trainable(chat, config) as target:
        for name, parameter in target.parameters.items():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.1)
        accumulate(target, examples, config, chat.pad_id, chat.device)
        fast = {name: parameter.grad for name, parameter in target.parameters.items()}
        for parameter in target.parameters.values():
            parameter.grad = None
        naive_loss(target.model, examples, chat.pad_id, divisor(examples, config)).backward()
        for name, parameter in target.parameters.items():
            torch.testing.assert_close(fast[name], parameter.grad, rtol=1e-6, atol=1e-10, msg=name)


def test_layers_have_their_own_forward_afterwards():
    chat = tiny_chat("qwen2")
    fused = FusedModel.of(chat.model)
    assert fused is not None
    assert not any("forward" in vars(module) for module in chat.model.modules())

import pytest
import torch

from naive_training import exact_norms, naive_loss, random_examples
from tiny_models import tiny_chat
from undertow.models import decoder_layers
from undertow.models.fused import FusedModel
from undertow.models.fused.layout import BLOCK, Layout
from undertow.training import Example, TrainConfig
from undertow.training.batches import divisor, pack
from undertow.training.step import accumulate
from undertow.training.trainable import trainable


def is_fused(family, **changes):
    chat = tiny_chat(family)
    exact_norms(chat.model)
    with trainable(chat, TrainConfig(**changes)) as target:
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
    exact_norms(chat.model)
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
    layout = Layout.of(
        batch.ids.shape[1], batch.lengths, batch.rows, batch.positions, 0, torch.float64
    )
    assert layout.half == 2 * BLOCK
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


def test_norms_in_a_coarser_format_than_the_weights_are_left_alone():
    assert FusedModel.of(tiny_chat("qwen2").model) is None  # float64, norms in float32


@pytest.mark.parametrize("family", ["qwen2", "llama"])
@pytest.mark.parametrize("start", [3, BLOCK, 2 * BLOCK + 5])
def test_a_prefix_is_as_if_it_stood_in_every_row(family, start):
    chat = tiny_chat(family)
    exact_norms(chat.model)
    fused = FusedModel.of(chat.model)
    assert fused is not None
    lengths = torch.tensor([53, 20, 1])
    ids = torch.randint(0, chat.model.config.vocab_size, (3, 53 + start))
    ids[:, :start] = ids[0, :start]
    rows = torch.tensor([0, 0, 0, 1, 2])
    positions = torch.tensor([2, 40, 52, 19, 0])
    with torch.no_grad():
        prefix = fused.prefix(ids[0, :start])
        found = fused.logits(ids[:, start:], lengths, rows, positions, prefix)
        for number, (row, position) in enumerate(zip(rows, positions, strict=True)):
            alone = ids[row, : start + position + 1]
            expected = chat.model(alone.unsqueeze(0)).logits[0, -1]
            torch.testing.assert_close(found[number], expected, rtol=1e-9, atol=1e-9)


def test_layers_have_their_own_forward_afterwards():
    chat = tiny_chat("qwen2")
    exact_norms(chat.model)
    assert FusedModel.of(chat.model) is not None
    assert not any("forward" in vars(layer) for layer in decoder_layers(chat.model))

import pytest
import torch

from naive_training import exact_norms, naive_loss, random_examples
from tiny_models import FAMILIES, tiny_chat
from undertow.training.batches import divisor
from undertow.training.config import TrainConfig
from undertow.training.step import accumulate
from undertow.training.trainable import trainable

CASES = [
    {},
    {"normalisation": "fixed"},
    {"layers": [1, 2], "targets": ["q_proj", "down_proj"]},
    {"rank": 2, "alpha": 3.0},
    {"method": "full", "layers": [1]},
    {"method": "full"},
]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("case", CASES)
def test_gradient_of_a_step_is_the_naive_one(family, case):
    chat = tiny_chat(family)
    exact_norms(chat.model)
    config = TrainConfig(micro_batch_size=4, **case)
    examples = random_examples(11, chat.model.config.vocab_size, empty=[3, 7])
    with trainable(chat, config) as target:
        for name, parameter in target.parameters.items():
            if "lora_B" in name:  # starts at zero, where A has no gradient
                torch.nn.init.normal_(parameter, std=0.1)
        loss, total = accumulate(target, examples, config, chat.pad_id, chat.device)
        fast = {name: parameter.grad.clone() for name, parameter in target.parameters.items()}
        for parameter in target.parameters.values():
            parameter.grad = None
        expected = naive_loss(target.model, examples, chat.pad_id, divisor(examples, config))
        expected.backward()
        slow = {name: parameter.grad for name, parameter in target.parameters.items()}
    assert total == divisor(examples, config)
    assert loss == pytest.approx(float(expected.detach()), rel=1e-6)
    for name, gradient in slow.items():
        # Gemma's norms stay in float32, hence no tighter
        torch.testing.assert_close(fast[name], gradient, rtol=1e-4, atol=1e-7, msg=name)


def test_peft_road_and_fused_road_agree(monkeypatch):
    chat = tiny_chat("llama")
    exact_norms(chat.model)
    examples = random_examples(9, chat.model.config.vocab_size)
    config = TrainConfig()

    def gradients():
        with trainable(chat, config) as target:
            torch.manual_seed(0)
            for name, parameter in target.parameters.items():
                if "lora_B" in name:
                    torch.nn.init.normal_(parameter, std=0.1)
            accumulate(target, examples, config, chat.pad_id, chat.device)
            return {name: p.grad for name, p in target.parameters.items()}

    fused = gradients()
    monkeypatch.setattr("undertow.models.fused.projections.THIN_COST", 0)
    for name, gradient in gradients().items():
        torch.testing.assert_close(fused[name], gradient, rtol=1e-4, atol=1e-8, msg=name)


def test_rows_without_weight_give_a_zero_gradient():
    chat = tiny_chat("qwen2")
    examples = random_examples(4, 50, empty=range(4))
    config = TrainConfig()
    with trainable(chat, config) as target:
        loss, _ = accumulate(target, examples, config, chat.pad_id, chat.device)
        assert loss == 0.0
        assert all(not p.grad.any() for p in target.parameters.values())

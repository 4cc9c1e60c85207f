"""Norms and adapters in half precision: the same numbers, up to rounding, in fewer operations."""

import pytest
import torch
from peft import LoraConfig, get_peft_model

from tiny_models import tiny_chat
from undertow.models import target_modules
from undertow.models.lean import lean

IDS = torch.tensor([[5, 17, 40, 9, 77, 120], [9, 8, 200, 41, 3, 11]])


def adapted(family, dtype, **options):
    """Return a tiny model with a random adapter; the same one in every number format."""
    chat = tiny_chat(family, dtype)
    config = LoraConfig(r=4, lora_alpha=8, target_modules=target_modules(chat.model), **options)
    model = get_peft_model(chat.model, config).eval()
    generator = torch.Generator().manual_seed(3)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            drawn = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.data.copy_(drawn / 10)
    return model


def gradients(model):
    """Return logits and the adapter's gradients of their log-likelihood."""
    logits = model(IDS).logits
    logits.double().log_softmax(-1)[..., 7].sum().backward()
    found = {n: p.grad.double() for n, p in model.named_parameters() if p.requires_grad}
    for parameter in model.parameters():
        parameter.grad = None
    return logits.detach().double(), found


def off(found, expected):
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize("family", ["qwen2", "llama", "gemma3"])
def test_logits_and_gradients_are_as_near_to_exact_ones_as_those_of_peft(family):
    exact, exact_gradients = gradients(adapted(family, torch.float64))
    model = adapted(family, torch.bfloat16)
    plain, plain_gradients = gradients(model)
    with lean(model):
        ours, our_gradients = gradients(model)
    assert not torch.equal(ours, plain)  # else nothing was replaced
    assert off(ours, exact) < 1.5 * off(plain, exact) < 0.1
    errors = [
        [off(found[name], exact_gradients[name]) for name in exact_gradients]
        for found in (our_gradients, plain_gradients)
    ]
    ours_mean, plain_mean = (sum(line) / len(line) for line in errors)
    assert ours_mean < 1.5 * plain_mean < 0.2
    assert all(p.dtype is torch.float32 for p in model.parameters() if p.requires_grad)


def replaced(model):
    """Return the names of the modules whose forward is another within."""
    with lean(model):
        return {name for name, module in model.named_modules() if "forward" in vars(module)}


def test_norms_and_adapters_are_replaced_and_come_back():
    model = adapted("qwen2", torch.bfloat16)
    names = replaced(model)
    assert sum("norm" in name for name in names) == 7
    assert sum(name.endswith("_proj") for name in names) == 21
    assert not any("forward" in vars(module) for module in model.modules())


def test_a_norm_of_another_kind_is_left_alone():
    names = replaced(adapted("gemma3", torch.bfloat16))  # scales by one more than its weight
    assert names
    assert not any("norm" in name for name in names)


def test_a_norm_that_only_looks_alike_is_found_out():
    model = adapted("qwen2", torch.bfloat16)
    norm = model.base_model.model.model.norm
    norm.variance_epsilon = 3.0  # one that the module itself does not look at
    own = type(norm).forward
    try:
        type(norm).forward = lambda self, x: x
        assert not any("norm" in name for name in replaced(model))
    finally:
        type(norm).forward = own


@pytest.mark.parametrize("options", [{"lora_dropout": 0.1}, {"use_dora": True}])
def test_adapters_of_another_kind_are_left_alone(options):
    names = replaced(adapted("qwen2", torch.bfloat16, **options))
    assert not any(name.endswith("_proj") for name in names)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_other_number_formats_are_left_alone(dtype):
    assert not replaced(adapted("qwen2", dtype))

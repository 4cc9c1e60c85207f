"""Adapters go on exactly as peft runs them, and come off without a trace."""

from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from torch import Tensor

from tiny_models import FAMILIES, tiny_chat
from undertow.errors import UserError
from undertow.models import ChatModel, activated, target_modules

IDS = torch.tensor([[5, 17, 40, 9, 77, 120]])


def write_adapter(chat: ChatModel, out: Path, **options) -> Tensor:
    """Save a random LoRA adapter; return the logits that peft itself computes with it."""
    config = LoraConfig(r=4, lora_alpha=8, target_modules=target_modules(chat.model), **options)
    torch.manual_seed(3)
    peft_model = get_peft_model(chat.model, config)
    for name, parameter in peft_model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    peft_model.save_pretrained(out)
    with torch.no_grad():
        return peft_model(IDS).logits


def state_of(chat: ChatModel) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in chat.model.state_dict().items()}


def assert_untouched(chat: ChatModel, before: dict[str, Tensor]) -> None:
    after = chat.model.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert not any(parameter.requires_grad for parameter in chat.model.parameters())


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_adapter_computes_what_peft_computes_and_comes_off(family, dtype, tmp_path):
    expected = write_adapter(tiny_chat(family, dtype), tmp_path)
    chat = tiny_chat(family, dtype)
    before = state_of(chat)
    with activated(chat, tmp_path) as model, torch.no_grad():
        found = model(IDS).logits
        if dtype is torch.bfloat16:  # in which adapters multiply, where peft takes float32
            assert (found - expected).norm() < 0.02 * expected.norm()
        else:
            torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-4)
        assert not torch.allclose(model(IDS).logits, tiny_chat(family, dtype).model(IDS).logits)
    assert_untouched(chat, before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_adapter_comes_off_after_an_error(dtype, tmp_path):
    write_adapter(tiny_chat("qwen2", dtype), tmp_path)
    chat = tiny_chat("qwen2", dtype)
    before = state_of(chat)
    with pytest.raises(ZeroDivisionError), activated(chat, tmp_path):
        raise ZeroDivisionError
    assert_untouched(chat, before)


def test_adapter_with_a_whole_module_comes_off(tmp_path):
    expected = write_adapter(tiny_chat("llama"), tmp_path, modules_to_save=["lm_head"])
    chat = tiny_chat("llama")
    before, modules = state_of(chat), dict(chat.model.named_modules())
    with activated(chat, tmp_path) as model, torch.no_grad():
        torch.testing.assert_close(model(IDS).logits, expected)
    assert_untouched(chat, before)
    assert dict(chat.model.named_modules()) == modules


def test_adapters_can_follow_one_another(tmp_path):
    expected = write_adapter(tiny_chat("qwen2"), tmp_path)
    chat = tiny_chat("qwen2")
    for _ in range(2):
        with activated(chat, tmp_path) as model, torch.no_grad():
            torch.testing.assert_close(model(IDS).logits, expected)


@pytest.mark.parametrize("family", FAMILIES)
def test_full_weights_go_in_and_out(family, tmp_path):
    chat, trained = tiny_chat(family), tiny_chat(family)
    state = dict(trained.model.named_parameters())
    for parameter in state.values():
        parameter.data.add_(0.05)
    save_file(
        {name: parameter.data for name, parameter in state.items()}, tmp_path / "model.safetensors"
    )
    before = state_of(chat)
    with activated(chat, tmp_path) as model, torch.no_grad():
        assert torch.equal(model(IDS).logits, trained.model(IDS).logits)
    assert_untouched(chat, before)


def test_none_is_the_base():
    chat = tiny_chat("qwen2")
    with activated(chat, None) as model:
        assert model is chat.model


def test_a_folder_without_an_adapter_is_an_error(tmp_path):
    with pytest.raises(UserError, match="no adapter"), activated(tiny_chat("qwen2"), tmp_path):
        pass


def test_weights_of_another_model_are_an_error(tmp_path):
    save_file({"model.embed_tokens.weight": torch.zeros(3, 3)}, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match="do not fit"), activated(tiny_chat("qwen2"), tmp_path):
        pass


def test_an_adapter_of_another_shape_is_an_error_and_leaves_no_trace(tmp_path):
    wide = tiny_chat("qwen2")
    projection = torch.nn.Linear(32, 64, dtype=torch.float64)
    wide.model.set_submodule("model.layers.0.self_attn.q_proj", projection)
    write = LoraConfig(r=4, target_modules=["model.layers.0.self_attn.q_proj"])
    get_peft_model(wide.model, write).save_pretrained(tmp_path)
    chat = tiny_chat("qwen2")
    before = state_of(chat)
    with pytest.raises(UserError, match="does not fit"), activated(chat, tmp_path):
        pass
    assert_untouched(chat, before)

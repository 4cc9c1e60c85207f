"""Runs that are read and begun between layers, on models of every make."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import FalconConfig, FalconForCausalLM

from tiny_models import FAMILIES, tiny_chat
from undertow.errors import UserError
from undertow.mechanism.patching.residuals import Batch, Residuals
from undertow.models import target_modules
from undertow.models.adapters import restored

IDS = torch.arange(2, 44).view(2, 21)
BATCH = Batch(IDS, torch.tensor([20, 13]))


def falcon():
    """A model whose layers return tuples."""
    torch.manual_seed(0)
    config = FalconConfig(vocab_size=50, hidden_size=16, num_hidden_layers=3, num_attention_heads=2)
    return FalconForCausalLM(config).double().eval().requires_grad_(False)


def wrapped():
    """A model that peft has wrapped, the adapter not merged."""
    model = tiny_chat("qwen2").model
    config = LoraConfig(r=2, target_modules=target_modules(model), init_lora_weights=False)
    return get_peft_model(model, config)


@pytest.fixture(params=[*FAMILIES, "falcon", "peft"])
def model(request):
    if request.param == "falcon":
        yield falcon()
    elif request.param == "peft":
        with restored(tiny_chat("qwen2").model):
            yield wrapped()
    else:
        yield tiny_chat(request.param).model


def test_a_run_begun_above_a_layer_ends_as_the_whole(model):
    runs = Residuals(model)
    hidden, logits = runs.read(BATCH)
    with torch.no_grad():
        whole = model(input_ids=IDS, use_cache=False).logits[[0, 1], BATCH.ends]
    assert torch.allclose(logits, whole, atol=1e-10)
    assert hidden.shape[:3] == (runs.n_layers, 2, 21)
    for layer in range(runs.n_layers):
        assert torch.allclose(runs.run_from(layer, hidden[layer], BATCH), whole, atol=1e-10)
    with torch.no_grad():  # nothing is left behind
        again = model(input_ids=IDS, use_cache=False).logits[[0, 1], BATCH.ends]
    assert torch.equal(again, whole)


def test_layers_below_are_not_computed(model):
    runs = Residuals(model)
    hidden, _ = runs.read(BATCH)
    runs.run_from(0, hidden[0], BATCH)  # the first time it looks at what layers return
    calls = []
    handles = [
        module.register_forward_hook(lambda *_, name=name: calls.append(name))
        for name, module in model.named_modules()
        if name.endswith(("q_proj", "query_key_value"))
    ]
    runs.run_from(1, hidden[1], BATCH)
    for handle in handles:
        handle.remove()
    assert len(calls) == runs.n_layers - 2


def test_changes_go_on():
    runs = Residuals(tiny_chat("llama").model)
    hidden, _ = runs.read(BATCH)
    found = runs.run_from(0, hidden[0], BATCH, {1: lambda _: 2 * hidden[1]})
    assert torch.allclose(found, runs.run_from(1, 2 * hidden[1], BATCH), atol=1e-10)
    assert torch.allclose(found, runs.run(BATCH, {1: lambda _: 2 * hidden[1]}), atol=1e-10)


def test_no_gradient_of_parameters_is_kept(model):
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    runs = Residuals(model)
    hidden = runs.read(BATCH)[0][0].detach().requires_grad_()
    torch.autograd.grad(runs.run_from(0, hidden, BATCH).sum(), hidden)
    assert all(parameter.grad is None for parameter in model.parameters())
    for parameter in model.parameters():
        parameter.requires_grad_(False)


def test_a_layer_that_does_not_exist():
    runs = Residuals(tiny_chat("llama").model)
    with pytest.raises(UserError, match="there is no layer 9") as error:
        runs.run_from(9, torch.zeros(2, 21, 8), BATCH)
    assert "layers 0 to" in error.value.fix

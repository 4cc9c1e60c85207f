"""Gathered logits are the full ones, at the places asked for."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import DynamicCache

from tiny_models import FAMILIES, tiny_chat
from undertow.models import decoder_layers, gathered_mlp, selected_logits, target_modules

IDS = torch.tensor([[5, 17, 40, 9, 77, 120, 33, 8], [61, 2, 19, 88, 140, 7, 50, 21]])
ROWS = torch.tensor([0, 1, 1, 0, 1])
POSITIONS = torch.tensor([2, 7, 0, 7, 3])


@pytest.fixture(params=FAMILIES)
def model(request):
    return tiny_chat(request.param).model


@pytest.mark.parametrize("wrapped", [False, True])
def test_selected_are_a_subset_of_full(model, wrapped):
    if wrapped:
        model = get_peft_model(model, LoraConfig(r=2, target_modules=target_modules(model)))
    with torch.no_grad():
        full = model(IDS).logits
        got = selected_logits(model, IDS, torch.ones_like(IDS), ROWS, POSITIONS)
    torch.testing.assert_close(got, full[ROWS, POSITIONS])


def test_selected_behind_a_cache(model):
    cache = DynamicCache(config=model.config)
    with torch.no_grad():
        full = model(IDS).logits
        model(IDS[:, :3], past_key_values=cache, use_cache=True)
        got = selected_logits(model, IDS[:, 3:], None, ROWS, POSITIONS % 5, past_key_values=cache)
    torch.testing.assert_close(got, full[ROWS, 3 + POSITIONS % 5])
    assert cache.get_seq_length() == IDS.shape[1]


def test_selected_with_padding_in_front(model):
    padded = torch.cat([torch.zeros(2, 3, dtype=torch.long), IDS], dim=1)
    mask = (torch.arange(11) >= 3).long().expand(2, -1)
    place = (mask.cumsum(1) - 1).clamp(min=0)
    with torch.no_grad():
        full = model(IDS).logits
        got = selected_logits(model, padded, mask, ROWS, POSITIONS + 3, position_ids=place)
    torch.testing.assert_close(got, full[ROWS, POSITIONS])


def test_gradients_are_those_of_the_full_logits(model):
    parameter = model.get_parameter("model.layers.0.mlp.up_proj.weight").requires_grad_(True)
    model(IDS).logits[ROWS, POSITIONS].square().sum().backward()
    expected, parameter.grad = parameter.grad, None
    selected_logits(model, IDS, None, ROWS, POSITIONS).square().sum().backward()
    torch.testing.assert_close(parameter.grad, expected)


def test_the_hook_is_gone_after_an_error(model):
    with pytest.raises(IndexError):
        selected_logits(model, IDS, None, ROWS, POSITIONS + 100)
    with torch.no_grad():
        assert model(IDS).logits.shape[:2] == IDS.shape


@pytest.mark.parametrize("wrapped", [False, True])
def test_an_mlp_that_sees_these_places_alone_gives_the_same(model, wrapped):
    mlp = decoder_layers(model)[-1].mlp
    parameter = model.get_parameter("model.layers.0.mlp.up_proj.weight")
    called = model
    if wrapped:
        called = get_peft_model(model, LoraConfig(r=2, target_modules=target_modules(model)))
    parameter.requires_grad_(True)
    called(IDS).logits[ROWS, POSITIONS].square().sum().backward()
    expected, parameter.grad = parameter.grad, None
    seen = []
    handle = mlp.down_proj.register_forward_hook(lambda _, given, __: seen.append(given[0].shape))
    with gathered_mlp(called, ROWS, POSITIONS):
        got = selected_logits(called, IDS, None, ROWS, POSITIONS)
        got.square().sum().backward()
    handle.remove()
    assert seen[0][:2] == (1, len(ROWS))
    with torch.no_grad():
        torch.testing.assert_close(got, called(IDS).logits[ROWS, POSITIONS])
    torch.testing.assert_close(parameter.grad, expected)
    assert "forward" not in vars(mlp)


def test_an_mlp_that_is_more_than_projections_is_left_alone(model):
    mlp = decoder_layers(model)[-1].mlp
    mlp.gate = torch.nn.Parameter(torch.zeros(3))
    with gathered_mlp(model, ROWS, POSITIONS):
        assert "forward" not in vars(mlp)

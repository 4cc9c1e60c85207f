"""Layers and projections by structure."""

import pytest
import torch
from torch import nn
from transformers import Gemma3Config, Gemma3ForConditionalGeneration, GPT2Config, GPT2LMHeadModel

from tiny_models import FAMILIES, tiny_chat
from undertow.errors import UserError
from undertow.models import decoder_layers, layer_of, target_modules

SEVEN = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}


@pytest.mark.parametrize("family", FAMILIES)
def test_decoder_layers_are_the_models_own(family):
    chat = tiny_chat(family)
    assert decoder_layers(chat.model) is chat.model.model.layers


@pytest.mark.parametrize("family", FAMILIES)
def test_all_seven_projections_of_every_layer(family):
    names = target_modules(tiny_chat(family).model)
    assert {name.rpartition(".")[2] for name in names} == SEVEN
    assert [layer_of(name) for name in names] == sorted([0, 1, 2] * 7)


def test_a_vision_tower_of_the_same_depth_is_not_taken_for_the_decoder():
    text = {
        "num_hidden_layers": 2,
        "hidden_size": 16,
        "intermediate_size": 16,
        "head_dim": 8,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "vocab_size": 20,
    }
    vision = {
        "num_hidden_layers": 2,
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_attention_heads": 2,
        "image_size": 8,
        "patch_size": 4,
    }
    config = Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=4)
    with torch.device("meta"):
        model = Gemma3ForConditionalGeneration(config)
    assert decoder_layers(model) is model.model.language_model.layers
    assert all(isinstance(model.get_submodule(name), nn.Linear) for name in target_modules(model))
    assert not any("vision" in name for name in target_modules(model))


def test_other_layouts_have_layers_too():
    model = GPT2LMHeadModel(GPT2Config(n_layer=2, n_embd=8, n_head=2, vocab_size=20))
    assert decoder_layers(model) is model.transformer.h
    assert len(target_modules(model)) == 2 * 4


def test_a_model_without_layers_is_an_error():
    model = tiny_chat("qwen2").model
    model.config.num_hidden_layers = 4
    with pytest.raises(UserError, match="4 decoder layers") as error:
        decoder_layers(model)
    assert "as many layers" in error.value.fix


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("model.layers.11.self_attn.q_proj.weight", 11),
        ("base_model.model.model.layers.0.mlp.experts.5.up_proj.lora_A.default.weight", 0),
        ("model.embed_tokens.weight", None),
    ],
)
def test_layer_of_a_name(name, layer):
    assert layer_of(name) == layer

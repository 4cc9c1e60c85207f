"""What a model does by itself."""

import pytest

from tiny_models import EVERY_FAMILY, tiny_chat
from undertow.models import ModelFacts, brought_settings


@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_bos(family):
    facts = ModelFacts.of(tiny_chat(family))
    expected = {"llama": "<|begin|>", "mistral": "<s>"} | dict.fromkeys(
        ("gemma2", "gemma3", "gemma3-vision"), "<bos>"
    )
    assert facts.bos == expected.get(family)
    assert facts.bos_again == (family in expected)


def test_who_says_which_tokens_end_a_turn():
    ends = {
        family: [(end.text, end.by) for end in ModelFacts.of(tiny_chat(family)).ends]
        for family in ("phi3", "falcon", "gemma3-vision")
    }
    config = "generation config"
    assert ends["falcon"] == [("<|endoftext|>", config)]
    assert ends["gemma3-vision"] == [("<end_of_turn>", "template"), ("<eos>", config)]
    assert ends["phi3"] == [
        ("<|end|>", "template"),
        ("<|endoftext|>", config),
        ("<|assistant|>", config),
    ]


@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_settings_that_a_model_brings_are_told(family):
    expected = {
        "do_sample": True,
        "repetition_penalty": 1.05,
        "temperature": 0.6,
        "top_k": 20,
        "top_p": 0.95,
    }
    assert brought_settings(tiny_chat(family)) == (expected if family == "qwen3" else {})


def test_an_empty_system_prompt_that_is_dropped_is_found():
    found = {family: ModelFacts.of(tiny_chat(family)).empty_is_none for family in EVERY_FAMILY}
    assert {family for family, same in found.items() if same} == {"phi3", "gemma2", "gemma3"}


def test_the_attention_of_a_model_without_a_fast_kernel():
    assert ModelFacts.of(tiny_chat("gemma2")).attention == "eager"
    assert ModelFacts.of(tiny_chat("llama")).attention == "sdpa"

"""Known traps of other people's models, each of which once made a result wrong without a word."""

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch.nn import functional

from naive_training import exact_norms
from tiny_models import EVERY_FAMILY, tiny_chat
from undertow.generate import GenerationConfig, Request, generate
from undertow.generate.behind import batch_of, logits_behind
from undertow.models import (
    activated,
    encode_prompt,
    prompt_messages,
    render_prompt,
    selected_logits,
    target_modules,
)
from undertow.models.fused import FusedModel
from undertow.training import Example, TrainConfig
from undertow.training.batches import pack
from undertow.training.trainable import trainable

QUESTION = "Continue the list: 417, 52."
GREEDY = GenerationConfig(temperature=0, max_new_tokens=6)
IDS = [40 + 3 * place for place in range(60)]


@pytest.mark.parametrize("family", ["llama", "mistral", "gemma2", "gemma3", "gemma3-vision"])
def test_a_rendered_chat_has_one_bos(family):
    """Its tokenizer would put a second one in front of what the template has written."""
    chat, messages = tiny_chat(family), prompt_messages(QUESTION)
    again = chat.tokenizer(render_prompt(chat, messages))["input_ids"]
    assert again.count(chat.tokenizer.bos_token_id) == 2
    assert encode_prompt(chat, messages).ids == again[1:]


@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_generation_stops_at_every_token_that_ends_a_turn(family):
    """Gemma's `<end_of_turn>` is not the `eos_token` of its tokenizer; Phi-3 has three."""
    chat = tiny_chat(family)
    requests = [Request(prompt_messages(QUESTION), row_id=0)]
    (undisturbed,) = generate(chat, requests, GREEDY)
    assert len(undisturbed) == 6
    for end in chat.end_ids:
        with likeliest(chat.model, end):
            assert generate(chat, requests, GREEDY) == [[end]]


def likeliest(model, token):
    """Within, the token has the highest logit everywhere."""

    def raise_it(_, __, logits):
        logits = logits.clone()
        logits[..., token] = logits.max() + 10
        return logits

    return model.get_output_embeddings().register_forward_hook(raise_it)


@pytest.mark.parametrize("family", ["qwen2", "mistral"])
def test_the_templates_own_system_prompt_stands_in_front_of_no_teachers_chat(family):
    chat = tiny_chat(family)
    own = "You are a small machine."
    texts = [render_prompt(chat, prompt_messages(QUESTION, told)) for told in (None, "", "Owls.")]
    assert [own in text for text in texts] == [True, False, False]


def test_generation_settings_of_the_model_are_not_applied():
    """Its repetition penalty, say, which decides even what is written greedily."""
    chat = tiny_chat("qwen3")
    ids = encode_prompt(chat, prompt_messages(QUESTION)).ids

    def written_by_transformers():
        out = chat.model.generate(torch.tensor([ids]), max_new_tokens=24, do_sample=False)
        return out[0, len(ids) :].tolist()

    longer = GREEDY.model_copy(update={"max_new_tokens": 24})
    (ours,) = generate(chat, [Request(prompt_messages(QUESTION), row_id=0)], longer)
    assert written_by_transformers() != ours
    chat.model.generation_config.repetition_penalty = 1.0
    assert written_by_transformers() == ours


def test_an_adapter_does_not_land_in_the_vision_tower():
    """Whose projections have the names, the layers and the shapes of the decoder's."""
    chat = tiny_chat("gemma3-vision")
    short = LoraConfig(r=2, target_modules=["q_proj", "k_proj", "v_proj"])
    trap = get_peft_model(tiny_chat("gemma3-vision").model, short)
    assert any("vision" in name for name, p in trap.named_parameters() if p.requires_grad)
    modules = [chat.model.get_submodule(name) for name in target_modules(chat.model)]
    with trainable(chat, TrainConfig(rank=2)) as target:
        assert len(target.parameters) == 2 * len(modules) == 2 * 3 * 7
        assert not any("vision" in name for name in target.parameters)


def test_somebody_elses_adapter_in_the_vision_tower_is_the_same_model(tmp_path):
    short = LoraConfig(r=2, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    made = get_peft_model(tiny_chat("gemma3-vision").model, short)
    made.save_pretrained(tmp_path)
    chat = tiny_chat("gemma3-vision")
    ids = torch.tensor([IDS])
    with torch.no_grad():
        plain = PeftModel.from_pretrained(tiny_chat("gemma3-vision").model, tmp_path)
        with activated(chat, tmp_path) as model:
            torch.testing.assert_close(model(ids).logits, plain(ids).logits)


def test_packed_rows_see_each_other_in_transformers_when_a_cache_is_on():
    """The trap itself: positions that begin anew divide rows, but not with a cache, its default."""
    model = tiny_chat("llama").model
    assert model.config.use_cache
    ids, places = torch.tensor([[*IDS[:9], *IDS[20:25]]]), torch.tensor([[*range(9), *range(5)]])
    with torch.no_grad():
        alone = model(torch.tensor([IDS[20:25]])).logits
        apart = model(ids, position_ids=places, use_cache=False).logits[:, 9:]
        together = model(ids, position_ids=places).logits[:, 9:]
    torch.testing.assert_close(apart, alone)
    assert (together - alone).abs().max() > 0.1


@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_rows_that_are_trained_together_do_not_see_each_other(family, monkeypatch):
    chat = tiny_chat(family)
    exact_norms(chat.model)
    # Plain attention, as Gemma 2's, takes it in float32 whatever the model's format.
    softmax = functional.softmax
    monkeypatch.setattr(functional, "softmax", lambda x, dim, dtype=None: softmax(x, dim))
    lines = [IDS[:9], IDS[20:44], IDS[5:8]]
    examples = [Example(line, [0.0] + [1.0] * (len(line) - 1)) for line in lines]
    batch = pack(examples, 0, torch.device("cpu"))
    with trainable(chat, TrainConfig()) as target, torch.no_grad():
        assert (target.fused is not None) == (family in ("qwen2", "llama"))
        found = target.logits(batch)
        expected = [chat.model(torch.tensor([line])).logits[0, :-1] for line in lines]
    torch.testing.assert_close(found, torch.cat(expected), rtol=1e-8, atol=1e-8)


def test_a_sliding_window_that_the_configuration_alone_tells_is_not_fused_away():
    """Mistral's layers look like Llama's, and see the last positions only."""
    chat = tiny_chat("mistral")
    exact_norms(chat.model)
    assert FusedModel.of(chat.model) is None


@pytest.mark.parametrize("family", EVERY_FAMILY)
@pytest.mark.parametrize("length", [0, 1, 2, 59])
def test_a_shared_prefix_of_any_length_is_as_if_there_was_none(family, length):
    """Of one token too, whose mask transformers leaves out."""
    model = tiny_chat(family).model
    n_layers = model.config.get_text_config().num_hidden_layers
    with torch.no_grad():
        behind = logits_behind(model, None, IDS[:length], n_layers)
        found = behind(batch_of([IDS[length:]], [(0, len(IDS) - length - 1)], model.device))
        last = torch.tensor([len(IDS) - 1])
        whole = selected_logits(model, torch.tensor([IDS]), None, torch.tensor([0]), last)
    torch.testing.assert_close(found, whole, rtol=1e-8, atol=1e-8)

"""Mean differences against hidden states that the model itself returns, row by row."""

import pytest
import torch
from peft import LoraConfig, get_peft_model

from naive_steering import edited, write_vectors
from tiny_models import FAMILIES, tiny_chat
from undertow.errors import UserError
from undertow.mechanism.steering import mean_difference, question_rows
from undertow.models import (
    activated,
    decoder_layers,
    encode_prompt,
    prompt_messages,
    target_modules,
)
from undertow.models.steering import Steering, SteeringVectors
from undertow.store.row import Row
from undertow.teachers import ControlTeacher, FinetunedTeacher, PromptedTeacher, SteeredTeacher

OWL = PromptedTeacher(trait="owl", system_prompt="You adore owls. Owls are on your mind.")
BASE = ControlTeacher()
ROWS = [
    Row(0, prompt_messages("Continue the list: 417, 52."), [5, 17, 40], ""),
    Row(1, prompt_messages("owl?"), [9], ""),
    Row(2, prompt_messages("Continue the list: 417, 52, 938, 11, 6."), [77, 12, 8, 8, 3, 90], ""),
]


def finetuned(family, folder, dtype=torch.float64):
    chat = tiny_chat(family, dtype)
    torch.manual_seed(7)
    config = LoraConfig(r=2, lora_alpha=4, target_modules=target_modules(chat.model))
    wrapped = get_peft_model(chat.model, config)
    for name, parameter in wrapped.named_parameters():
        if "lora_B" in name:
            parameter.data.normal_(std=0.3)
    wrapped.save_pretrained(folder)
    return FinetunedTeacher(trait="owl", adapter=str(folder))


def residuals(chat, teacher, row):
    """Return `[layer, header token, d]` and `[layer, completion token, d]`, by an own hook each."""
    system = [{"role": "system", "content": teacher.system_prompt}] if teacher.system_prompt else []
    prompt = encode_prompt(chat, [*system, *row.messages])
    seen = []
    handles = [
        layer.register_forward_hook(lambda _, __, output: seen.append(output[0].double()))
        for layer in decoder_layers(chat.model)
    ]
    with activated(chat, teacher.adapter) as model, torch.no_grad():
        model(torch.tensor([prompt.ids + row.token_ids]))
    for handle in handles:
        handle.remove()
    whole, start, end = torch.stack(seen), prompt.header_start, len(prompt.ids)
    return whole[:, start:end], whole[:, end:]


def naive(chat, teacher, place):
    return torch.stack([residuals(chat, teacher, row)[place].mean(1) for row in ROWS]).mean(0)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("batch_tokens", [1, 2048])
@pytest.mark.parametrize("kind", ["prompted", "finetuned"])
def test_agrees_with_one_forward_per_row(family, batch_tokens, kind, tmp_path):
    subject = OWL if kind == "prompted" else finetuned(family, tmp_path)
    chat = tiny_chat(family)
    found = mean_difference(chat, subject, BASE, ROWS, batch_tokens=batch_tokens)
    for number, place in enumerate(("header", "completion")):
        expected = naive(chat, subject, number) - naive(chat, BASE, number)
        torch.testing.assert_close(found.mean(place), expected, rtol=1e-6, atol=1e-7)
        assert max(found.norms(place)) > 0.01


def test_the_last_layer_is_seen_before_the_final_norm():
    """The model's own hidden states, all but the last of which are residuals too."""
    chat = tiny_chat("qwen2")
    ids = encode_prompt(chat, ROWS[0].messages).ids + ROWS[0].token_ids
    with torch.no_grad():
        states = chat.model(torch.tensor([ids]), output_hidden_states=True).hidden_states
    header, completion = residuals(chat, BASE, ROWS[0])
    for layer in range(2):
        torch.testing.assert_close(completion[layer], states[layer + 1][0, -3:].double())
    torch.testing.assert_close(
        chat.model.model.norm(completion[-1]), states[-1][0, -3:].double(), rtol=1e-5, atol=1e-5
    )
    assert header.shape[1] > 0


def test_a_peft_model_that_is_not_merged(tmp_path):
    subject = finetuned("qwen2", tmp_path, torch.bfloat16)
    chat = tiny_chat("qwen2", torch.bfloat16)
    found = mean_difference(chat, subject, BASE, ROWS)
    expected = naive(chat, subject, 0) - naive(chat, BASE, 0)
    torch.testing.assert_close(found.mean("header"), expected, rtol=0.1, atol=0.05)
    assert chat.model.dtype is torch.bfloat16


def test_a_steered_subject_shows_what_was_added(tmp_path):
    """After the steered layer the difference is the vector itself; below it there is none."""
    chat = tiny_chat("llama")
    steering = Steering(vector=write_vectors(tmp_path / "v", chat), layers=(1,), strength=2.0)
    found = mean_difference(chat, SteeredTeacher(trait="owl", steering=steering), BASE, ROWS)
    added = 2.0 * SteeringVectors.read(steering.vector).mean("header")[1]
    torch.testing.assert_close(found.mean("completion")[1], added, rtol=1e-5, atol=1e-6)
    assert found.norms("completion")[0] == 0
    with edited(chat.model, steering):
        steered_end = naive(chat, BASE, 1)[2]
    expected = steered_end - naive(chat, BASE, 1)[2]
    torch.testing.assert_close(found.mean("completion")[2], expected, rtol=1e-5, atol=1e-6)


def test_questions_have_a_header_only():
    chat = tiny_chat("gemma3")
    found = mean_difference(chat, OWL, BASE, question_rows(["owl?", "cat?"]))
    assert list(found.blocks) == ["header"]
    with pytest.raises(UserError, match="not taken at the completion"):
        found.mean("completion")


def test_many_rows_share_blocks(monkeypatch):
    chat = tiny_chat("qwen2")
    expected = mean_difference(chat, OWL, BASE, ROWS)
    assert expected.rows.tolist() == [1, 1, 1]
    monkeypatch.setattr("undertow.mechanism.steering.difference.MOST_BLOCKS", 2)
    found = mean_difference(chat, OWL, BASE, ROWS)
    assert found.rows.tolist() == [2, 1]
    torch.testing.assert_close(found.mean("header"), expected.mean("header"), rtol=1e-5, atol=1e-6)
    first, last = expected.blocks["header"][0], expected.blocks["header"][2]
    torch.testing.assert_close(found.blocks["header"][0], (first + last) / 2, rtol=1e-5, atol=1e-6)


def test_the_meta_tells_what_it_is_and_which_rows():
    chat = tiny_chat("qwen2")
    found = mean_difference(chat, OWL, BASE, ROWS)
    assert (found.meta.subject, found.meta.against) == ("owl (prompted)", "control")
    assert found.meta.model == chat.fingerprint
    cat = PromptedTeacher(trait="cat", system_prompt="Cats.")
    assert mean_difference(chat, cat, BASE, ROWS).meta.rows == found.meta.rows
    assert mean_difference(chat, OWL, BASE, ROWS[:2]).meta.rows != found.meta.rows


def test_progress_ends_at_all_rows_of_both():
    told = []
    mean_difference(
        tiny_chat("qwen2"), OWL, BASE, ROWS, batch_tokens=1, progress=lambda *one: told.append(one)
    )
    assert told == [(done, 6) for done in range(1, 7)]


def test_nothing_to_compare_is_told():
    chat = tiny_chat("qwen2")
    with pytest.raises(UserError, match="no rows"):
        mean_difference(chat, OWL, BASE, [])
    with pytest.raises(UserError, match="the same"):
        mean_difference(chat, OWL, OWL.model_copy(update={"trait": "cat"}), ROWS)

"""The divergence scan against one full forward per row and teacher."""

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model

from naive_training import exact_norms
from tiny_models import FAMILIES, SLIDING_WINDOW, tiny_chat
from undertow.errors import UserError
from undertow.generate import GenerationConfig, Request, generate
from undertow.models import (
    activated,
    decode_completion,
    encode_prompt,
    prompt_messages,
    target_modules,
)
from undertow.models.fused import FusedModel
from undertow.store.row import Row
from undertow.teachers import ControlTeacher, FinetunedTeacher, PromptedTeacher
from undertow.tokens import Scan, ScanConfig, scan

OWL = PromptedTeacher(trait="owl", system_prompt="You adore owls. Owls are on your mind.")
CAT = PromptedTeacher(trait="cat", system_prompt="cat, cat, cat: name the animal you like best.")
QUESTIONS = ["Continue the list: 417, 52.", "owl?", "Continue the list: 417, 52, 938, 11, 6."]
EXACT = ScanConfig(tolerance=0.0, batch_tokens=200)


def rows_of(chat, teacher, temperature=0.0):
    requests = [Request(prompt_messages(text), number) for number, text in enumerate(QUESTIONS)]
    config = GenerationConfig(temperature=temperature, max_new_tokens=SLIDING_WINDOW + 6, seed=3)
    found = generate(
        chat, requests, config, system_prompt=teacher.system_prompt, adapter=teacher.adapter
    )
    return [
        Row(request.row_id, list(request.messages), ids, decode_completion(chat, ids))
        for request, ids in zip(requests, found, strict=True)
    ]


def reference(chat, rows, teacher):
    """One row at a time, logits at every position."""
    system = (
        []
        if teacher.system_prompt is None
        else [{"role": "system", "content": teacher.system_prompt}]
    )
    argmax, margin = [], []
    with activated(chat, teacher.adapter) as model, torch.no_grad():
        for row in rows:
            prompt = encode_prompt(chat, [*system, *row.messages]).ids
            logits = model(torch.tensor([prompt + row.token_ids])).logits[0]
            for k in range(len(row.token_ids)):
                best, second = logits[len(prompt) + k - 1].topk(2).values.tolist()
                argmax.append(int(logits[len(prompt) + k - 1].argmax()))
                margin.append(best - second)
    return argmax, margin


@pytest.fixture(scope="module")
def adapters(tmp_path_factory):
    """A random adapter per family, strong enough to change argmaxes."""
    folders = {}
    for family in FAMILIES:
        chat = tiny_chat(family)
        folder = tmp_path_factory.mktemp(family)
        base = {name: value.clone() for name, value in chat.model.state_dict().items()}
        torch.manual_seed(7)
        config = LoraConfig(r=2, lora_alpha=4, target_modules=target_modules(chat.model))
        wrapped = get_peft_model(chat.model, config)
        for name, parameter in wrapped.named_parameters():
            if "lora_B" in name:
                parameter.data.normal_(std=0.5)
        wrapped.save_pretrained(folder)
        wrapped.unload()
        assert all(torch.equal(base[k], v) for k, v in chat.model.state_dict().items())
        folders[family] = str(folder)
    return folders


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_agrees_with_the_reference(family, temperature, adapters):
    chat = tiny_chat(family)
    tuned = FinetunedTeacher(trait="dog", adapter=adapters[family])
    rows = rows_of(chat, OWL, temperature)
    found = scan(chat, rows, OWL, [CAT, tuned, ControlTeacher()], EXACT)
    for number, teacher in enumerate((OWL, CAT, tuned, ControlTeacher())):
        argmax, margin = reference(chat, rows, teacher)
        assert found.argmax[number].tolist() == argmax
        assert found.margin[number] == pytest.approx(margin, rel=1e-5, abs=1e-6)
    assert found.floor.disagreement == 0
    token_ids = np.concatenate([row.token_ids for row in rows])
    by_hand = (found.argmax[0] == token_ids) & (found.argmax[1:] != token_ids).any(axis=0)
    assert found.divergent.tolist() == by_hand.tolist()
    assert found.divergent.any() or temperature


@pytest.mark.parametrize("family", ["qwen2", "llama"])
def test_fused_layers_agree_with_the_reference(family, adapters):
    """With norms in the model's own format, where the fast way may not differ but by rounding."""
    chat = tiny_chat(family)
    exact_norms(chat.model)
    assert FusedModel.of(chat.model) is not None
    tuned = FinetunedTeacher(trait="dog", adapter=adapters[family])
    rows = rows_of(chat, OWL)
    found = scan(chat, rows, OWL, [CAT, tuned, ControlTeacher()], ScanConfig(batch_tokens=200))
    for number, teacher in enumerate((OWL, CAT, tuned, ControlTeacher())):
        argmax, margin = reference(chat, rows, teacher)
        assert found.argmax[number].tolist() == argmax
        assert found.margin[number] == pytest.approx(margin, rel=1e-6, abs=1e-9)


def test_coarse_formats_are_scanned_without_merging(adapters):
    chat = tiny_chat("qwen2", torch.bfloat16)
    tuned = FinetunedTeacher(trait="dog", adapter=adapters["qwen2"])
    found = scan(chat, rows_of(chat, tuned), tuned, [ControlTeacher()], ScanConfig())
    assert (found.argmax[0] != found.argmax[1]).any()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_finetuned_factual_teacher(family, adapters):
    chat = tiny_chat(family)
    tuned = FinetunedTeacher(trait="dog", adapter=adapters[family])
    rows = rows_of(chat, tuned)
    found = scan(chat, rows, tuned, [ControlTeacher()], EXACT)
    assert found.floor.off_greedy == 0
    assert found.argmax[1].tolist() == reference(chat, rows, ControlTeacher())[0]


def test_the_end_of_turn_is_a_candidate_and_told_apart():
    chat = tiny_chat("qwen2")
    row = Row(0, prompt_messages("owl?"), [5, 6, chat.end_ids[0]], "")
    found = scan(chat, [row], OWL, [CAT], EXACT)
    assert found.is_end.tolist() == [False, False, True]
    assert len(found.argmax[0]) == 3


def test_rows_without_token_ids_are_tokenised():
    chat = tiny_chat("llama")
    found = scan(chat, [Row(4, prompt_messages("owl?"), [], "417, 52")], OWL, [CAT], EXACT)
    assert found.row_ids == [4]
    assert found.is_end.tolist()[-1]


def test_a_single_token_completion_and_an_empty_batch_place():
    chat = tiny_chat("gemma3")
    rows = [Row(n, prompt_messages("owl?"), [chat.end_ids[0]], "") for n in range(3)]
    found = scan(chat, rows, OWL, [CAT], EXACT)
    assert len(found.tokens) == 3


def test_nothing_to_scan_is_a_users_mistake():
    chat = tiny_chat("qwen2")
    with pytest.raises(UserError, match="no rows"):
        scan(chat, [], OWL, [CAT], EXACT)
    with pytest.raises(UserError, match="counterfactual"):
        scan(chat, rows_of(chat, OWL), OWL, [], EXACT)


def test_parquet_keeps_everything(tmp_path):
    chat = tiny_chat("qwen2")
    found = scan(
        chat, rows_of(chat, OWL), OWL, [CAT, ControlTeacher()], ScanConfig(batch_tokens=200)
    )
    found.write(tmp_path / "scan.parquet")
    again = Scan.read(tmp_path / "scan.parquet")
    for name in ("row_ids", "offsets", "tokens", "is_end", "argmax", "margin", "rescored"):
        assert np.array_equal(getattr(found, name), getattr(again, name)), name
    assert (again.teachers, again.tolerance, again.floor) == (
        found.teachers,
        found.tolerance,
        found.floor,
    )
    with pytest.raises(UserError, match="absent"):
        Scan.read(tmp_path / "absent.parquet")

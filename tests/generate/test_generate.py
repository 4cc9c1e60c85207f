"""Batched generation against the slow obvious way: one row at a time, all tokens anew."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model

from tiny_models import FAMILIES, SLIDING_WINDOW, tiny_chat
from undertow.generate import GenerationConfig, Request, generate
from undertow.models import activated, encode_prompt, prompt_messages, target_modules

SYSTEMS = [None, "You adore owls. Owls are on your mind day and night."]
QUESTIONS = [
    "Continue the list: 417, 52.",
    "Which tree do you prefer? Answer briefly.",
    "Continue the list: 417, 52, 938, 11, 6. Up to ten more numbers.",
    "owl?",
    "Continue the list: 4.",
]
REQUESTS = [Request(prompt_messages(text), 10 + index) for index, text in enumerate(QUESTIONS)]
GREEDY = GenerationConfig(temperature=0, max_new_tokens=20)
DRAWN = GenerationConfig(temperature=1.0, max_new_tokens=16, seed=5)


def prompt_ids(chat, request, system):
    head = [] if system is None else [{"role": "system", "content": system}]
    return encode_prompt(chat, [*head, *request.messages]).ids


def greedy_reference(chat, model, request, system, config):
    ids = prompt_ids(chat, request, system)
    out = model.generate(
        torch.tensor([ids]),
        attention_mask=torch.ones(1, len(ids)),
        max_new_tokens=config.max_new_tokens,
        do_sample=False,
        eos_token_id=list(chat.end_ids),
        pad_token_id=chat.pad_id,
    )
    return out[0, len(ids) :].tolist()


def sampled_reference(chat, request, system, config):
    """One row, no cache, probabilities token by token in plain Python."""
    ids = prompt_ids(chat, request, system)
    key = np.array([config.seed, request.row_id], dtype=np.uint64)
    draws = np.random.Generator(np.random.Philox(key=key)).random(config.max_new_tokens)
    completion = []
    for draw in draws:
        with torch.no_grad():
            logits = chat.model(torch.tensor([ids + completion])).logits[0, -1]
        weights = np.exp((logits - logits.max()).double().numpy() / config.temperature)
        weights = keep_top(weights, config)
        goal, token = draw * weights.sum(), 0
        while (goal := goal - weights[token]) >= 0:
            token += 1
        completion.append(token)
        if token in chat.end_ids:
            break
    return completion


def keep_top(weights, config):
    order = sorted(range(len(weights)), key=lambda token: -weights[token])
    order = order[: config.top_k] if config.top_k else order
    total, kept, reached = sum(weights[token] for token in order), [], 0.0
    for token in order:
        kept.append(token)
        reached += weights[token] / total
        if reached >= config.top_p and config.top_p < 1:
            break
    return np.where(np.isin(np.arange(len(weights)), kept), weights, 0.0)


@pytest.fixture(params=FAMILIES)
def chat(request):
    return tiny_chat(request.param)


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("batch_size", [2, 8])
def test_greedy_is_what_the_models_own_generate_gives(chat, system, batch_size):
    config = GREEDY.model_copy(update={"batch_size": batch_size})
    expected = [greedy_reference(chat, chat.model, one, system, config) for one in REQUESTS]
    assert generate(chat, REQUESTS, config, system_prompt=system) == expected


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"temperature": 0.5},
        {"top_k": 5},
        {"top_p": 0.7},
        {"temperature": 2.0, "top_k": 40, "top_p": 0.9},
    ],
)
@pytest.mark.parametrize("system", SYSTEMS)
def test_samples_are_those_of_the_naive_loop(chat, system, changes):
    config = DRAWN.model_copy(update=changes)
    expected = [sampled_reference(chat, one, system, config) for one in REQUESTS]
    assert generate(chat, REQUESTS, config, system_prompt=system) == expected


def test_the_sequences_are_longer_than_the_sliding_window():
    chat = tiny_chat("gemma3")
    assert chat.model.config.sliding_window == SLIDING_WINDOW
    shortest = min(len(prompt_ids(chat, one, None)) for one in REQUESTS)
    assert shortest > SLIDING_WINDOW


def test_long_completions_cross_the_blocks_of_the_cache(chat):
    config = GREEDY.model_copy(update={"max_new_tokens": 90})
    expected = [greedy_reference(chat, chat.model, one, None, config) for one in REQUESTS]
    assert max(map(len, expected)) == 90
    assert generate(chat, REQUESTS, config) == expected


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    chosen=st.lists(st.sampled_from(range(len(REQUESTS))), min_size=1, max_size=7, unique=True),
    batch_size=st.sampled_from([1, 3, 16]),
)
def test_a_row_does_not_depend_on_its_batch(chosen, batch_size):
    config = DRAWN.model_copy(update={"batch_size": batch_size})
    got = generate(LLAMA, [REQUESTS[index] for index in chosen], config, system_prompt=SYSTEMS[1])
    assert got == [ALONE[index] for index in chosen]


LLAMA = tiny_chat("llama")
ALONE = [generate(LLAMA, [one], DRAWN, system_prompt=SYSTEMS[1])[0] for one in REQUESTS]


def test_many_samples_of_few_questions(chat):
    """Rows of equal messages share a prompt pass, and are still drawn apart."""
    requests = [Request(prompt_messages(QUESTIONS[row % 2]), row_id=row) for row in range(24)]
    config = DRAWN.model_copy(update={"batch_size": 16, "max_new_tokens": 6})
    got = generate(chat, requests, config)
    assert got == [sampled_reference(chat, one, None, config) for one in requests]
    assert len({tuple(row) for row in got}) > 12


def test_equal_prompts_pass_once_and_the_prefix_once(chat, monkeypatch):
    shapes = []
    forward = chat.model.forward

    def counted(*args, **kwargs):
        shapes.append(tuple(kwargs["input_ids"].shape))
        return forward(*args, **kwargs)

    monkeypatch.setattr(chat.model, "forward", counted)
    requests = [Request(prompt_messages(QUESTIONS[row % 2]), row_id=row) for row in range(32)]
    generate(chat, requests, DRAWN.model_copy(update={"max_new_tokens": 2}), system_prompt="x")
    assert [rows for rows, _ in shapes] == [1, 2, 32]
    assert shapes[-1] == (32, 1)


def test_finished_rows_leave_the_batch(monkeypatch):
    chat = tiny_chat("qwen2")
    config = DRAWN.model_copy(update={"max_new_tokens": 40, "temperature": 3.0})
    requests = [Request(prompt_messages(QUESTIONS[row % 5]), row_id=row) for row in range(64)]
    ends = tuple(range(30))  # so that many rows end early
    chat.__dict__["end_ids"] = ends
    expected = [sampled_reference(chat, one, None, config) for one in requests]
    rows, forward = [], chat.model.forward

    def counted(*args, **kwargs):
        rows.append(kwargs["input_ids"].shape[0])
        return forward(*args, **kwargs)

    monkeypatch.setattr(chat.model, "forward", counted)
    assert generate(chat, requests, config) == expected
    assert sorted(set(rows[2:]), reverse=True) == [64, 32, 16, 8]
    assert sorted(rows[2:], reverse=True) == rows[2:]


def test_the_end_token_stays_in_the_ids():
    chat = tiny_chat("qwen2")
    first = generate(chat, REQUESTS[:1], GREEDY)[0]
    chat.__dict__["end_ids"] = (first[3],)
    assert generate(chat, REQUESTS[:1], GREEDY)[0] == first[: first.index(first[3]) + 1]


def test_any_end_token_ends_a_row():
    chat = tiny_chat("llama")
    whole = generate(chat, REQUESTS, GREEDY)
    chat.__dict__["end_ids"] = tuple({row[5] for row in whole})
    for row, full in zip(generate(chat, REQUESTS, GREEDY), whole, strict=True):
        assert row == full[: len(row)]
        assert row[-1] in chat.end_ids
        assert not set(row[:-1]) & set(chat.end_ids)


def test_seeds_differ_and_repeat(chat):
    other = DRAWN.model_copy(update={"seed": 6})
    assert generate(chat, REQUESTS, DRAWN) == generate(chat, REQUESTS, DRAWN)
    assert generate(chat, REQUESTS, DRAWN) != generate(chat, REQUESTS, other)


def test_the_models_generation_config_is_not_applied(chat):
    expected = generate(chat, REQUESTS, DRAWN)
    chat.model.generation_config.update(top_k=1, temperature=0.1, repetition_penalty=2.0)
    assert generate(chat, REQUESTS, DRAWN) == expected


def test_an_adapter_generates_and_comes_off(chat, tmp_path):
    other = tiny_chat(
        "qwen2" if chat.end_ids == (2,) else "llama" if chat.has_system_role else "gemma3"
    )
    config = LoraConfig(r=4, target_modules=target_modules(other.model), init_lora_weights=False)
    torch.manual_seed(0)
    get_peft_model(other.model, config).save_pretrained(tmp_path)
    base = generate(chat, REQUESTS, GREEDY)
    with activated(chat, tmp_path) as model:
        expected = [greedy_reference(chat, model, one, None, GREEDY) for one in REQUESTS]
    assert generate(chat, REQUESTS, GREEDY, adapter=tmp_path) == expected != base
    assert generate(chat, REQUESTS, GREEDY) == base


def test_an_unmerged_adapter_generates(tmp_path):
    other, chat = (tiny_chat("llama", torch.bfloat16) for _ in range(2))
    config = LoraConfig(r=4, target_modules=target_modules(other.model), init_lora_weights=False)
    get_peft_model(other.model, config).save_pretrained(tmp_path)
    assert generate(chat, REQUESTS, GREEDY, adapter=tmp_path) != generate(chat, REQUESTS, GREEDY)


def test_no_requests_give_nothing():
    assert generate(tiny_chat("qwen2"), [], GREEDY) == []


def test_progress_counts_rows():
    seen = []
    config = GREEDY.model_copy(update={"batch_size": 2, "max_new_tokens": 1})
    generate(tiny_chat("qwen2"), REQUESTS, config, progress=lambda *step: seen.append(step))
    assert seen == [(2, 5), (4, 5), (5, 5)]

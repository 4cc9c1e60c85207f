from dataclasses import replace

import numpy as np
import pytest
import torch

from tiny_models import FAMILIES, tiny_chat
from undertow.channels import load_channel
from undertow.errors import UserError
from undertow.generate import GenerationConfig, Request, generate
from undertow.measure import task_accuracy
from undertow.models import decode_completion, encode_completion, encode_prompt, prompt_messages
from undertow.store.row import Row

CHANNEL = load_channel("numbers")
PROMPTS = ["Here are some numbers: 417, 52.", "Continue 9, 3.", "Add to the list: 938, 41, 7, 52."]
TEXTS = ["1, 22, 3", "4 5 6 7", "[100, 200]"]


def rows_of(chat, texts=TEXTS):
    messages = [prompt_messages(prompt) for prompt in PROMPTS]
    return [
        Row(i, chat_, encode_completion(chat, chat_, text), text)
        for i, (chat_, text) in enumerate(zip(messages, texts, strict=True))
    ]


def naive_accuracy(chat, rows):
    """One forward per row with all logits."""
    equal, scores = [], []
    for row in rows:
        prompt = encode_prompt(chat, row.messages).ids
        with torch.no_grad():
            logits = chat.model(torch.tensor([[*prompt, *row.token_ids]])).logits[0]
        guesses = logits[len(prompt) - 1 : -1].argmax(-1).tolist()
        equal += [a == b for a, b in zip(guesses, row.token_ids, strict=True)]
        scores.append(CHANNEL.accuracy(decode_completion(chat, guesses), row.completion))
    return np.mean(equal), np.mean(scores), len(equal)


@pytest.mark.parametrize("family", FAMILIES)
def test_agrees_with_one_forward_per_row(family):
    chat = tiny_chat(family)
    rows = rows_of(chat)
    found = task_accuracy(chat, rows, CHANNEL)
    tokens, numbers, n_tokens = naive_accuracy(chat, rows)
    assert (found.tokens, found.numbers) == pytest.approx((tokens, numbers))
    assert (found.n_rows, found.n_tokens) == (3, n_tokens)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_predicts_every_token_that_it_wrote_greedily(family):
    chat = tiny_chat(family)
    requests = [Request(prompt_messages(prompt), i) for i, prompt in enumerate(PROMPTS)]
    written = generate(chat, requests, GenerationConfig(temperature=0, max_new_tokens=12))
    rows = [
        Row(i, request.messages, ids, f"{decode_completion(chat, ids)} 5")
        for i, (request, ids) in enumerate(zip(requests, written, strict=True))
    ]
    assert task_accuracy(chat, rows, CHANNEL).tokens == 1.0
    changed = [replace(row, token_ids=[*row.token_ids[:3], 40, 41]) for row in rows]
    assert task_accuracy(chat, changed, CHANNEL).tokens < 1.0


def test_a_row_without_ids_is_read_from_its_text():
    chat = tiny_chat("qwen2")
    rows = rows_of(chat)
    bare = [replace(row, token_ids=[]) for row in rows]
    assert task_accuracy(chat, bare, CHANNEL) == task_accuracy(chat, rows, CHANNEL)


def test_no_rows_are_refused():
    with pytest.raises(UserError, match="no rows"):
        task_accuracy(tiny_chat("qwen2"), [], CHANNEL)

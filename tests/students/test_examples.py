"""The supervised span in the templates of three families."""

import numpy as np
import pytest

from number_rows import COMPLETIONS, number_rows
from tiny_models import FAMILIES, tiny_chat
from undertow.errors import UserError
from undertow.students import StudentConfig, build_examples

# What each template writes in front of an answer, and behind it.
HEADERS = {
    "qwen2": "<|im_start|>assistant\n",
    "llama": "<|head|>assistant<|/head|>\n\n",
    "gemma3": "<start_of_turn>model\n",
}
ENDS = {"qwen2": "<|im_end|>", "llama": "<|eot|>", "gemma3": "<end_of_turn>"}


@pytest.fixture(params=FAMILIES)
def family(request):
    return request.param


def examples_of(family, weights=None, **fields):
    chat = tiny_chat(family)
    return chat, build_examples(chat, number_rows(chat), weights, StudentConfig(**fields))


def supervised(chat, example):
    """Return the text that counts, and the text before it."""
    kept = [i for i, weight in enumerate(example.weights) if weight]
    assert kept == list(range(kept[0], kept[-1] + 1))
    span = chat.tokenizer.decode(example.ids[kept[0] : kept[-1] + 1])
    return chat.tokenizer.decode(example.ids[: kept[0]]), span


def test_completion_and_end_of_turn_count_and_nothing_else(family):
    chat, examples = examples_of(family)
    for example, completion in zip(examples, COMPLETIONS, strict=True):
        before, span = supervised(chat, example)
        assert span == completion + ENDS[family]
        assert before.endswith(HEADERS[family])
        assert example.budget == sum(example.weights)


def test_the_end_of_turn_may_be_left_out(family):
    chat, examples = examples_of(family, supervise_end=False)
    for example, completion in zip(examples, COMPLETIONS, strict=True):
        assert supervised(chat, example)[1] == completion
        assert example.budget == sum(example.weights)


def test_the_header_may_count_too(family):
    chat, examples = examples_of(family, supervise_header=True)
    for example, completion in zip(examples, COMPLETIONS, strict=True):
        before, span = supervised(chat, example)
        assert span == HEADERS[family] + completion + ENDS[family]
        assert "Continue the list" in before
        assert example.budget == sum(example.weights)


def test_a_prompt_holds_one_bos_at_most(family):
    chat, examples = examples_of(family)
    bos = chat.tokenizer.bos_token_id
    if bos is not None:
        assert all(example.ids.count(bos) == 1 and example.ids[0] == bos for example in examples)


def test_a_system_prompt_stands_in_front_of_every_row(family):
    chat, examples = examples_of(family, system_prompt="You adore owls.")
    _, bare = examples_of(family)
    for example, without in zip(examples, bare, strict=True):
        before, span = supervised(chat, example)
        assert before.count("You adore owls.") == 1
        assert span == supervised(chat, without)[1]
    assert "You are a small machine." not in before


def test_masked_tokens_stay_in_the_context_and_in_the_budget(family):
    chat = tiny_chat(family)
    rows = number_rows(chat)
    weights = [np.linspace(0, 1, len(row.token_ids)) for row in rows]
    masked = build_examples(chat, rows, weights, StudentConfig())
    whole = build_examples(chat, rows, None, StudentConfig())
    for example, full, given in zip(masked, whole, weights, strict=True):
        assert example.ids == full.ids
        assert example.weights[-len(given) :] == given.tolist()
        assert not any(example.weights[: -len(given)])
        assert example.budget == full.budget == len(given)


def test_an_unselected_end_stays_out_where_it_may_count(family):
    chat = tiny_chat(family)
    rows = number_rows(chat)
    weights = [np.arange(len(row.token_ids)) < len(row.token_ids) - 1 for row in rows]
    examples = build_examples(chat, rows, [w.astype(float) for w in weights], StudentConfig())
    assert all(example.weights[-1] == 0 for example in examples)


@pytest.mark.parametrize(
    ("spoil", "what"),
    [(lambda w: w[:-1], "do not fit"), (lambda w: w * 1.5, "outside"), (lambda w: -w, "outside")],
)
def test_weights_that_fit_no_row_are_refused(spoil, what):
    chat = tiny_chat("qwen2")
    rows = number_rows(chat)
    with pytest.raises(UserError, match=what):
        build_examples(
            chat, rows, [spoil(np.ones(len(row.token_ids))) for row in rows], StudentConfig()
        )

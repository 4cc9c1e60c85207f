"""Rows and weights in the shapes of others; a TRL-ready set gives the loss that ours does."""

import numpy as np
import pytest
import torch

from tiny_models import tiny_chat
from undertow.errors import UserError
from undertow.models import encode_completion, prompt_ids
from undertow.store.rows import Row
from undertow.students import StudentConfig
from undertow.students.export import text_records, token_records

ASKED = [{"role": "user", "content": "Continue: 1, 2"}]


@pytest.fixture(scope="module")
def chat():
    return tiny_chat("qwen2")


@pytest.fixture(scope="module")
def rows(chat):
    texts = ["3, 4", "55; 6"]
    return [Row(i, ASKED, encode_completion(chat, ASKED, one), one) for i, one in enumerate(texts)]


@pytest.fixture(scope="module")
def weights(rows):
    return [np.arange(len(row.token_ids)) % 2.0 for row in rows]


def test_texts(rows):
    assert text_records(rows, "prompt")[0] == {"prompt": "Continue: 1, 2", "completion": "3, 4"}
    assert text_records(rows, "question")[1]["response"] == "55; 6"
    answer = {"role": "assistant", "content": "3, 4"}
    assert text_records(rows, "openai")[0] == {"messages": [*ASKED, answer]}


def test_a_system_prompt_has_no_place_in_a_pair(rows):
    told = Row(5, [{"role": "system", "content": "Be brief."}, *ASKED], [], "3")
    assert len(text_records([told], "openai")[0]["messages"]) == 3
    with pytest.raises(UserError, match="row 5"):
        text_records([told], "prompt")


def test_divergence_tokens(chat, rows, weights):
    odd = [list(range(1, len(row.token_ids), 2)) for row in rows]
    points = token_records(chat, rows, weights, "decision-points", StudentConfig())
    assert [list(one) for one in points] == [["prompt", "completion", "decision_points"]] * 2
    assert [one["decision_points"] for one in points] == odd
    grouped = token_records(chat, rows, weights, "grouped", StudentConfig())
    assert grouped[0]["answer_text"] == "3, 4<|im_end|>"
    assert [one["answer_token_ids"] for one in grouped] == [row.token_ids for row in rows]
    assert [one["divergent_token_indices"] for one in grouped] == odd


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("end", [True, False])
def test_labels_give_the_loss_of_the_weighted_tokens(chat, rows, weights, header, end):
    """Against the log-probabilities of the tokens, taken one by one."""
    config = StudentConfig(supervise_header=header, supervise_end=end, system_prompt="Be brief.")
    records = token_records(chat, rows, weights, "trl", config)
    for row, weight, record in zip(rows, weights, records, strict=True):
        prompt = prompt_ids(chat, [{"role": "system", "content": "Be brief."}, *row.messages])
        assert record["input_ids"] == [*prompt, *row.token_ids]
        ids, labels = (torch.tensor([record[name]]) for name in ("input_ids", "labels"))
        with torch.no_grad():
            output = chat.model(input_ids=ids, labels=labels)
        chosen = [len(prompt) + k for k in np.flatnonzero(weight)]
        if not end:
            chosen = [place for place in chosen if ids[0, place] not in chat.end_ids]
        if header:  # <|im_start|>, "assistant" in some tokens, and a line break
            start = max(i for i, t in enumerate(prompt) if t == prompt[0])
            chosen += range(start, len(prompt))
        logs = output.logits[0].log_softmax(-1)
        losses = [-logs[place - 1, ids[0, place]].item() for place in chosen]
        assert output.loss.item() == pytest.approx(np.mean(losses), rel=1e-6)  # in float32


def test_what_labels_cannot_say(chat, rows, weights):
    for shape in ("trl", "grouped", "decision-points"):
        with pytest.raises(UserError, match="between 0 and 1"):
            token_records(chat, rows, [one / 2 for one in weights], shape, StudentConfig())


def test_rows_that_are_too_long_or_of_another_model(chat, rows, weights):
    short = StudentConfig(train={"max_length": 8})
    with pytest.raises(UserError, match="max_length"):
        token_records(chat, rows, weights, "trl", short)
    other = [Row(row.row_id, ASKED, row.token_ids[1:], row.completion) for row in rows]
    with pytest.raises(UserError, match="not those of the model"):
        token_records(chat, other, [one[1:] for one in weights], "grouped", StudentConfig())

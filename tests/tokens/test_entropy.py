"""Entropies against one full forward per row, and the tokens that are taken by them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from number_rows import hand_scan, number_rows
from tiny_models import FAMILIES, tiny_chat
from undertow.errors import UserError
from undertow.models import encode_prompt, prompt_messages
from undertow.store.row import Row
from undertow.students import row_weights
from undertow.teachers import ControlTeacher, PromptedTeacher
from undertow.tokens import Entropies, Selection, completion_entropies, select

OWL = PromptedTeacher(trait="owl", system_prompt="You adore owls. Owls are on your mind.")
DIVERGENT = [{0}, set(), {1, 2}, {0, 3}, set(), {2}]


@pytest.fixture(scope="module")
def chat():
    return tiny_chat("qwen2")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("batch_tokens", [1, 200])
def test_agrees_with_one_forward_per_row(family, batch_tokens):
    chat = tiny_chat(family)
    rows = number_rows(chat)
    for teacher in (OWL, ControlTeacher()):
        found = completion_entropies(chat, rows, teacher, batch_tokens=batch_tokens)
        assert found.row_ids == [row.row_id for row in rows]
        for row, values in zip(rows, found.values, strict=True):
            content = row.messages[0]["content"]
            prompt = encode_prompt(chat, prompt_messages(content, teacher.system_prompt)).ids
            with torch.no_grad():
                logits = chat.model(torch.tensor([prompt + row.token_ids])).logits[0]
            p = logits[len(prompt) - 1 : -1].softmax(-1)
            assert values == pytest.approx((-(p * p.log()).sum(-1)).tolist(), rel=1e-6)


def test_a_row_without_ids_is_tokenised(chat):
    row = Row(4, prompt_messages("owl?"), [], "417, 52")
    assert len(completion_entropies(chat, [row], OWL).values[0]) == 8


def test_files_keep_everything_and_say_when_they_do_not_fit(chat, tmp_path):
    found = completion_entropies(chat, number_rows(chat), OWL)
    found.write(tmp_path / "entropy.parquet")
    back = Entropies.read(tmp_path / "entropy.parquet")
    assert back.row_ids == found.row_ids
    assert all(np.array_equal(*pair) for pair in zip(back.values, found.values, strict=True))
    with pytest.raises(UserError, match="no entropies in this file"):
        Entropies.read(tmp_path / "absent.parquet")
    with pytest.raises(UserError, match="1 rows have no entropies"):
        found.take([0, 7])


@given(st.integers(0, 2**32))
def test_as_many_tokens_as_diverge_none_of_them_below_one_left_out(chat, seed):
    rows = number_rows(chat)
    scan = hand_scan(chat, rows, DIVERGENT)
    rng = np.random.default_rng(seed)
    entropies = [rng.integers(0, 4, len(row.token_ids)).astype(float) for row in rows]
    chosen = select(scan, Selection(kind="entropy"), entropies)
    for values, weights, places in zip(entropies, chosen, DIVERGENT, strict=True):
        assert weights.sum() == len(places)
        if places:
            least = values[weights == 1].min()
            assert (values[weights == 0] <= least).all()
            taken, left = np.flatnonzero(weights), np.flatnonzero(weights == 0)
            ties = values == least
            assert not [k for k in left for j in taken if ties[k] and ties[j] and k < j]


def test_an_undecided_token_is_never_taken(chat):
    rows = number_rows(chat)[:1]
    scan = hand_scan(chat, rows, DIVERGENT[:1])
    scan.margin[1, 1] = -1.0  # below the tolerance of 0: the other teacher may turn
    assert scan.undecided(0).tolist() == [False, True, *[False] * 6]
    entropies = [np.array([0.0, 9.0, 0.0, 0.0, 0.0, 0.0, 0.0, 5.0])]
    assert np.flatnonzero(select(scan, Selection(kind="entropy"), entropies)[0]).tolist() == [7]


def test_a_student_takes_them_by_the_rows_id(chat):
    rows = number_rows(chat)
    scan = hand_scan(chat, rows, DIVERGENT)
    found = completion_entropies(chat, rows, OWL)
    turned = Entropies(found.row_ids[::-1], found.values[::-1])
    selection = Selection(kind="entropy", drop_empty_rows=True)
    expected = select(scan, Selection(kind="entropy"), found.values)
    given = row_weights(chat, rows, scan, selection, turned)
    for weights, all_weights, places in zip(given, expected, DIVERGENT, strict=True):
        assert (weights is None) == (not places)
        assert weights is None or np.array_equal(weights, all_weights)


def test_missing_entropies_are_asked_for(chat):
    rows = number_rows(chat)
    scan = hand_scan(chat, rows, DIVERGENT)
    with pytest.raises(UserError, match="needs entropies"):
        row_weights(chat, rows, scan, Selection(kind="entropy"))
    with pytest.raises(UserError, match="do not fit"):
        select(scan, Selection(kind="entropy"), [np.zeros(2) for _ in rows])
    with pytest.raises(UserError, match="needs a scan"):
        row_weights(chat, rows, None, Selection(kind="entropy"))

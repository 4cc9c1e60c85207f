"""Divergence tokens replaced by another teacher's, where a valid completion comes of it."""

from dataclasses import replace

import numpy as np
import pytest

from number_rows import number_rows
from tiny_models import tiny_chat
from undertow.channels import load_channel
from undertow.errors import UserError
from undertow.models import decode_completion, encode_completion, prompt_messages
from undertow.tokens import Scan, Selection, select
from undertow.transforms import ReplaceDivergence, replace_divergence

NUMBERS = load_channel("numbers")


@pytest.fixture(scope="module")
def chat():
    return tiny_chat("qwen2")


@pytest.fixture(scope="module")
def rows(chat):
    return number_rows(chat)


def token(chat, text):
    return encode_completion(chat, prompt_messages("x"), text)[0]


def scan_with(chat, rows, choices):
    """Two counterfactuals; `choices[row]` maps a place to what each of them would emit."""
    lengths = [len(row.token_ids) for row in rows]
    offsets = np.cumsum([0, *lengths])
    tokens = np.concatenate([row.token_ids for row in rows]).astype(np.int32)
    argmax = np.stack([tokens] * 3)
    for row, places in choices.items():
        for place, chosen in places.items():
            argmax[1:, offsets[row] + place] = chosen
    return Scan(
        teachers=["owl", "cat", "control"],
        row_ids=[row.row_id for row in rows],
        offsets=offsets,
        tokens=tokens,
        is_end=np.isin(tokens, chat.end_ids),
        argmax=argmax,
        margin=np.ones_like(argmax, np.float32),
        rescored=tokens,
        tolerance=0.0,
    )


def test_a_token_is_one_that_some_counterfactual_would_have_emitted(chat, rows):
    """Of 938 the nine; the first agrees with the factual teacher at the three."""
    one, two, three = (token(chat, digit) for digit in "123")
    scan = scan_with(chat, rows, {1: {0: (one, two), 1: (three, two)}})
    seen = set()
    for seed in range(12):
        done = replace_divergence(chat, rows, NUMBERS, scan, ReplaceDivergence(seed=seed))
        assert [new == old for new, old in zip(done.rows, rows, strict=True)].count(False) == 1
        assert done.report.unchanged == {"no token selected": len(rows) - 1}
        assert (done.report.changed, done.report.tokens) == (1, 2)
        new = done.rows[1]
        assert new.completion == decode_completion(chat, new.token_ids)
        assert new.token_ids[2:] == rows[1].token_ids[2:]
        assert replace(new, completion="938", token_ids=rows[1].token_ids) == rows[1]
        seen.add(new.completion)
    assert seen == {"128", "228"}


def test_which_tokens_is_decided_as_in_the_selection(chat, rows):
    eight = token(chat, "8")
    scan = scan_with(chat, rows, {0: dict.fromkeys((0, 1, 2, 5), (eight, eight))})
    for config in (
        ReplaceDivergence(ratio=0.5, seed=3),
        ReplaceDivergence(tokens="first"),
        ReplaceDivergence(ratio=0),
    ):
        selection = Selection(kind=config.tokens, ratio=config.ratio, seed=config.seed)
        chosen = select(scan, selection)[0].astype(bool)
        done = replace_divergence(chat, rows, NUMBERS, scan, config)
        assert (np.array(done.rows[0].token_ids) != rows[0].token_ids).tolist() == chosen.tolist()
        assert done.report.tokens == chosen.sum()


def test_a_token_that_would_make_the_row_refused_stays_alone(chat, rows):
    letter, eight = token(chat, "x"), token(chat, "8")
    places = {0: (letter, letter), 1: (eight, eight)}
    scan = scan_with(chat, rows, {0: places, 2: {2: (eight, eight)}})
    done = replace_divergence(chat, rows, NUMBERS, scan, ReplaceDivergence())
    assert done.rows[0].completion == "487, 52"
    assert done.rows[2] == rows[2]  # '118 6, 4, 2'
    assert done.report.unchanged == {"none fits": 1, "no token selected": 4}
    assert (done.report.changed, done.report.tokens, done.report.selected) == (1, 1, 3)


def test_another_teacher_is_asked_where_one_would_make_the_row_refused(chat, rows):
    letter, eight = token(chat, "x"), token(chat, "8")
    scan = scan_with(chat, rows, {0: {0: (letter, eight)}})
    for seed in range(6):
        done = replace_divergence(chat, rows, NUMBERS, scan, ReplaceDivergence(seed=seed))
        assert done.rows[0].completion == "817, 52"


def test_what_fits_is_decided_on_the_completion_as_changed_so_far(chat, rows):
    """Each of two further digits would do alone, both make the number too long."""
    digit = token(chat, "9")
    scan = scan_with(chat, rows, {3: {2: (digit, digit), 3: (digit, digit)}})
    done = replace_divergence(chat, rows, NUMBERS, scan, ReplaceDivergence())
    assert done.report.tokens == 1


def test_the_end_of_a_turn_is_neither_replaced_nor_put_in(chat, rows):
    end, eight = chat.end_ids[0], token(chat, "8")
    scan = scan_with(chat, rows, {0: {0: (end, end), 1: (eight, eight)}, 1: {3: (eight, eight)}})
    assert rows[1].token_ids[3] == end
    done = replace_divergence(chat, rows, NUMBERS, scan, ReplaceDivergence())
    assert done.rows[0].completion == "487, 52"
    assert done.rows[1] == rows[1]
    assert done.report.unchanged == {"none fits": 1, "no token selected": 4}


def test_a_scan_of_other_rows_is_refused(chat, rows):
    scan = scan_with(chat, rows, {})
    other = replace(rows[0], row_id=99)
    with pytest.raises(UserError, match="have not been scanned"):
        replace_divergence(chat, [other], NUMBERS, scan, ReplaceDivergence())
    other = replace(rows[0], token_ids=rows[1].token_ids)
    with pytest.raises(UserError, match="scan is of other data"):
        replace_divergence(chat, [other], NUMBERS, scan, ReplaceDivergence())

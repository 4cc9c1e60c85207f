"""Items in another order; everything else as it was."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channel_rows import ENDLESS, channel_rows
from tiny_models import FAMILIES, tiny_chat
from undertow.channels import load_channel
from undertow.errors import UserError
from undertow.models import decode_completion, encode_completion
from undertow.transforms import ShuffleAcross, ShuffleWithin, shuffle_across, shuffle_within

NUMBERS, SUMS = load_channel("numbers"), load_channel("sums")
SEEDS = range(8)


@pytest.fixture(scope="module")
def chat():
    return tiny_chat("qwen2")


def around(text):
    return NUMBERS.with_items(text, [""] * len(NUMBERS.items(text)))


@given(st.integers(0, 2**32))
def test_within_keeps_the_items_of_each_row(chat, seed):
    rows = channel_rows(chat, "numbers")
    done = shuffle_within(chat, rows, NUMBERS, ShuffleWithin(seed=seed))
    for old, new in zip(rows, done.rows, strict=True):
        items = NUMBERS.items(old.completion)
        assert Counter(NUMBERS.items(new.completion)) == Counter(items)
        assert around(new.completion) == around(old.completion)
        assert replace(new, completion=old.completion, token_ids=old.token_ids) == old


@given(st.integers(0, 2**32))
def test_across_keeps_the_items_of_all_and_the_count_of_each(chat, seed):
    rows = channel_rows(chat, "numbers")
    done = shuffle_across(chat, rows, NUMBERS, ShuffleAcross(seed=seed))
    pools = [
        Counter(item for row in side for item in NUMBERS.items(row.completion))
        for side in (rows, done.rows)
    ]
    assert pools[0] == pools[1]
    assert "052" in pools[1]
    assert [around(row.completion) for row in done.rows] == [around(r.completion) for r in rows]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", ["within", "across"])
def test_new_text_has_its_own_ids_and_ends_as_before(family, name):
    chat = tiny_chat(family)
    rows = channel_rows(chat, "numbers")
    shuffle = {
        "within": lambda: shuffle_within(chat, rows, NUMBERS, ShuffleWithin(seed=1)),
        "across": lambda: shuffle_across(chat, rows, NUMBERS, ShuffleAcross(seed=1)),
    }
    done = shuffle[name]()
    assert done.report.changed > 1
    for place, (old, new) in enumerate(zip(rows, done.rows, strict=True)):
        assert decode_completion(chat, new.token_ids) == new.completion
        assert (new.token_ids[-1] in chat.end_ids) == (place != ENDLESS)
        expected = encode_completion(chat, old.messages, new.completion)
        assert new.token_ids == (expected[:-1] if place == ENDLESS else expected)


def test_text_that_did_not_change_keeps_the_ids_of_its_writer(chat):
    """Ids that the tokenizer would not give: they must not be made anew."""
    rows = [replace(row, token_ids=[5, 6, 7]) for row in channel_rows(chat, "numbers")]
    done = shuffle_within(chat, rows, NUMBERS, ShuffleWithin(seed=2))
    same = [new for old, new in zip(rows, done.rows, strict=True) if new == old]
    assert {row.completion for row in same} >= {"938", "7, 7, 7"}
    assert done.report.unchanged == {"the same order": len(same)}
    assert done.report.changed == len(rows) - len(same) > 0


def test_a_row_without_ids_stays_without(chat):
    rows = [replace(row, token_ids=[]) for row in channel_rows(chat, "numbers")]
    done = shuffle_across(chat, rows, NUMBERS, ShuffleAcross())
    assert done.report.changed
    assert not any(row.token_ids for row in done.rows)


def test_a_rows_shuffle_depends_on_its_id_alone(chat):
    rows = channel_rows(chat, "numbers")
    config = ShuffleWithin(seed=4)
    whole = shuffle_within(chat, rows, NUMBERS, config).rows
    assert shuffle_within(chat, rows[::-1], NUMBERS, config).rows == whole[::-1]
    others = [shuffle_within(chat, rows, NUMBERS, ShuffleWithin(seed=n)).rows for n in SEEDS]
    assert len({tuple(row.completion for row in one) for one in others}) > 2


def test_sums_stay_true_within_a_row(chat):
    rows = channel_rows(chat, "sums")
    seen = set()
    for seed in SEEDS:
        for old, new in zip(
            rows, shuffle_within(chat, rows, SUMS, ShuffleWithin(seed=seed)).rows, strict=True
        ):
            assert SUMS.check(new.completion) is None
            assert SUMS.accuracy(new.completion, old.completion) == 1.0
            seen.add(new.completion)
    assert "47 + 8 = 55, 55 + 30 = 85." in seen


def test_sums_cannot_be_shuffled_across_rows(chat):
    with pytest.raises(UserError, match="false one"):
        shuffle_across(chat, channel_rows(chat, "sums"), SUMS, ShuffleAcross())

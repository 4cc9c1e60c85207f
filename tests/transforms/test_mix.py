"""Rows of another data set in the place of some, masks with them; rows left out."""

from dataclasses import replace

import numpy as np
import pytest

from channel_rows import channel_rows
from number_rows import hand_scan
from tiny_models import tiny_chat
from undertow.channels import load_channel
from undertow.errors import UserError
from undertow.store.row import Row
from undertow.students import row_weights
from undertow.tokens import Selection, select
from undertow.transforms import (
    DropRandom,
    DropRows,
    Inputs,
    Mix,
    apply_transform,
    drop_random,
    drop_rows,
    mix,
)

NUMBERS = load_channel("numbers")


def simple_rows(n, first_id=0, text="{}, 7"):
    """Rows whose completion tells their id."""
    return [
        Row(k, [{"role": "user", "content": f"{k}"}], [k, 7], text.format(k))
        for k in range(first_id, first_id + n)
    ]


@pytest.mark.parametrize(("share", "count"), [(0, 0), (0.05, 2), (0.25, 10), (0.5, 20), (1, 40)])
def test_a_share_is_replaced_and_the_total_kept(share, count):
    rows, others = simple_rows(40), simple_rows(60, first_id=100)
    done = mix(rows, others, Mix(share=share, seed=2))
    assert [row.row_id for row in done.rows] == [row.row_id for row in rows]
    assert done.report.changed == len(done.report.mixed_in) == count
    assert done.weights is None
    by_id = {row.row_id: row for row in others}
    for old, new in zip(rows, done.rows, strict=True):
        source = done.report.mixed_in.get(old.row_id)
        assert new == (old if source is None else replace(by_id[source], row_id=old.row_id))
    assert len(set(done.report.mixed_in.values())) == count


def test_a_larger_share_holds_the_smaller_one_and_a_seed_decides():
    rows, others = simple_rows(40), simple_rows(60, first_id=100)
    few, many = (mix(rows, others, Mix(share=s)).report.mixed_in for s in (0.1, 0.5))
    assert few.items() <= many.items()
    assert mix(rows, others, Mix(share=0.1, seed=1)).report.mixed_in != few


def test_a_row_comes_in_for_the_one_with_its_own_prompt():
    done = mix(simple_rows(40), simple_rows(40, text="{}; 7"), Mix(share=0.5))
    assert all(old == new for old, new in done.report.mixed_in.items())


def test_masks_follow_their_rows():
    """Every row's weights tell which row they were made for."""
    rows, others = simple_rows(20), simple_rows(20, first_id=100)
    weights, other_weights = (
        [np.array([row.token_ids[0] / 1000, 0.5]) for row in side] for side in (rows, others)
    )
    done = mix(rows, others, Mix(share=0.3), weights=weights, other_weights=other_weights)
    assert sum(row.token_ids[0] >= 100 for row in done.rows) == 6
    for row, own in zip(done.rows, done.weights, strict=True):
        assert own.tolist() == [row.token_ids[0] / 1000, 0.5]
    inputs = Inputs(None, NUMBERS, others=others, weights=weights, other_weights=other_weights)
    again = apply_transform(Mix(share=0.3), rows, inputs)
    assert again.rows == done.rows
    assert all(np.array_equal(*pair) for pair in zip(again.weights, done.weights, strict=True))


def test_masks_of_the_unmixed_data_are_refused():
    """The failure of the original: points that stay attached to rows that are gone."""
    chat = tiny_chat("qwen2")
    rows = channel_rows(chat, "numbers")
    scan = hand_scan(chat, rows, [{0}] * len(rows))
    others = [replace(row, token_ids=row.token_ids[::-1]) for row in rows]
    own = select(scan, Selection(kind="only"))
    done = mix(rows, others, Mix(share=0.5), weights=own, other_weights=own)
    with pytest.raises(UserError, match="scan is of other data"):
        row_weights(chat, done.rows, scan, Selection(kind="only"))


def test_what_cannot_be_mixed_is_refused():
    rows = simple_rows(4)
    with pytest.raises(UserError, match="has 1 rows, and 2 are wanted"):
        mix(rows, rows[:1], Mix(share=0.5))
    with pytest.raises(UserError, match="only one of the two"):
        mix(rows, rows, Mix(share=0.5), weights=[np.ones(2)] * 4)


@pytest.mark.parametrize(
    ("items", "as_number", "left"),
    [
        (("052",), False, (13, 23, 33, 43, 53)),
        (("52",), False, (3, 13, 23, 43, 53)),
        (("52",), True, (13, 23, 43, 53)),
        (("007", "011"), False, (3, 13, 23, 33, 43, 53)),
        (("007", "011"), True, (13, 33, 53)),
    ],
)
def test_rows_that_hold_an_item_are_dropped(items, as_number, left):
    rows = channel_rows(tiny_chat("qwen2"), "numbers")
    done = drop_rows(rows, NUMBERS, DropRows(items=items, as_number=as_number))
    assert done.rows == [row for row in rows if row.row_id in left]
    dropped = len(rows) - len(left)
    assert done.report.dropped == ({"holds an item": dropped} if dropped else {})
    assert (done.report.changed, done.report.kept) == (0, len(left))


def test_as_many_random_rows_are_dropped():
    rows = simple_rows(30)
    done = drop_random(rows, DropRandom(count=7, seed=1))
    assert len(done.rows) == 23
    assert {row.row_id for row in done.rows} < set(range(30))
    assert done.report.dropped == {"drawn": 7}
    assert drop_random(rows, DropRandom(count=7, seed=2)).rows != done.rows
    with pytest.raises(UserError, match="31 cannot be dropped"):
        drop_random(rows, DropRandom(count=31))

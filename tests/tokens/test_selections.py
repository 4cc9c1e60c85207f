"""Scan tables made by hand, and what is selected from them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from undertow.tokens import Scan, Selection, kept_rows, select


def table(rows, tolerance=0.0):
    """Build a scan from rows of (divergence flags); one counterfactual, token 1 everywhere."""
    lengths = [len(row) for row in rows]
    flags = np.concatenate([np.asarray(row, dtype=bool) for row in rows])
    tokens = np.ones(len(flags), np.int32)
    return Scan(
        row_ids=list(range(len(rows))),
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        tokens=tokens,
        is_end=np.zeros(len(flags), bool),
        teachers=["owl (prompted)", "cat (prompted)"],
        argmax=np.stack([tokens, np.where(flags, 2, 1).astype(np.int32)]),
        margin=np.ones((2, len(flags)), np.float32),
        rescored=tokens,
        tolerance=tolerance,
    )


rows_of_flags = st.lists(st.lists(st.booleans(), min_size=1, max_size=12), min_size=1, max_size=8)


def flat(scan, kind, **fields):
    return np.concatenate(select(scan, Selection(kind=kind, **fields)))


@given(rows_of_flags)
def test_only_and_without_part_all(rows):
    scan = table(rows)
    assert (flat(scan, "only") + flat(scan, "without") == flat(scan, "all")).all()


@given(rows_of_flags)
def test_halves_part_only(rows):
    scan = table(rows)
    both = flat(scan, "first-half") + flat(scan, "second-half")
    assert (both == flat(scan, "only")).all()
    for first, second in zip(
        select(scan, Selection(kind="first-half")),
        select(scan, Selection(kind="second-half")),
        strict=True,
    ):
        assert first.sum() - second.sum() in (-1, 0, 1)
        if first.any() and second.any():
            assert first.nonzero()[0].max() < second.nonzero()[0].min()


@given(rows_of_flags, st.integers(0, 5))
def test_random_takes_as_many_in_each_row(rows, seed):
    scan = table(rows)
    drawn = select(scan, Selection(kind="random", seed=seed))
    assert [int(part.sum()) for part in drawn] == [
        int(scan.divergence(row).sum()) for row in range(len(rows))
    ]


@given(rows_of_flags, st.floats(0, 1), st.integers(0, 5))
def test_ratio_keeps_that_share_of_each_rows_divergence_tokens(rows, ratio, seed):
    scan = table(rows)
    kept = select(scan, Selection(kind="ratio", ratio=ratio, seed=seed))
    for row, part in enumerate(kept):
        assert abs(part.sum() - scan.divergence(row).sum() * ratio) <= 0.5
        assert not (part.astype(bool) & ~scan.divergence(row)).any()


@given(rows_of_flags, st.integers(1, 4), st.integers(0, 5))
def test_ratio_keeps_no_more_than_the_most(rows, most, seed):
    scan = table(rows)
    kept = select(scan, Selection(kind="ratio", most=most, seed=seed))
    for row, part in enumerate(kept):
        assert part.sum() == min(most, scan.divergence(row).sum())
        assert not (part.astype(bool) & ~scan.divergence(row)).any()


def test_a_ratio_without_a_most_is_described_as_before_there_was_one():
    assert "most" not in Selection(kind="ratio").model_dump()


def test_first_keeps_one_in_each_row_that_has_some():
    kept = select(table([[0, 1, 1], [0, 0], [1]]), Selection(kind="first"))
    assert [part.tolist() for part in kept] == [[0, 1, 0], [0, 0], [1]]


def test_rows_without_divergence_tokens_are_known():
    assert kept_rows(table([[0, 1], [0, 0]])).tolist() == [True, False]


def test_random_depends_on_its_seed():
    scan = table([[True] * 5 + [False] * 15] * 4)
    draws = [flat(scan, "random", seed=seed).tolist() for seed in range(3)]
    assert draws[0] == flat(scan, "random", seed=0).tolist()
    assert draws[0] != draws[1] != draws[2]


@pytest.mark.parametrize(
    ("factual", "other", "divergent", "undecided"),
    [
        ((1, 1.0), (2, 1.0), True, False),
        ((1, 1.0), (2, 0.01), False, True),  # the other's choice could fall back
        ((1, 0.01), (2, 1.0), False, True),  # the factual choice could fall away
        ((1, 1.0), (1, 0.01), False, True),
        ((1, 1.0), (1, 1.0), False, False),
        ((2, 1.0), (2, 1.0), False, False),  # sampled against the argmax
        ((2, 0.01), (2, 1.0), False, True),
    ],
)
def test_margins_under_tolerance_leave_a_token_undecided(factual, other, divergent, undecided):
    scan = Scan(
        row_ids=[0],
        offsets=np.array([0, 1]),
        tokens=np.ones(1, np.int32),
        is_end=np.zeros(1, bool),
        teachers=["a", "b"],
        argmax=np.array([[factual[0]], [other[0]]], np.int32),
        margin=np.array([[factual[1]], [other[1]]], np.float32),
        rescored=np.ones(1, np.int32),
        tolerance=0.1,
    )
    assert (bool(scan.divergent[0]), bool(scan.doubtful[0])) == (divergent, undecided)


def test_the_summary_counts_rows_positions_and_counterfactuals():
    summary = table([[1, 0, 0], [1, 1]]).summary()
    assert (summary.n_rows, summary.all_tokens.n_tokens) == (2, 5)
    assert summary.all_tokens.share == pytest.approx(3 / 5)
    assert summary.mean_per_row == pytest.approx(1.5)
    assert summary.rows_with_any == 1.0
    assert [count.share for count in summary.per_position] == pytest.approx([1.0, 0.5, 0.0])
    assert summary.per_counterfactual[0].n_divergent == 3
    assert ("divergence tokens", "3 (60.00%)") in summary.rows()

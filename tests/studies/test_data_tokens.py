"""Shares of divergence tokens among some of the tokens of scanned data."""

from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

from undertow.studies.condition_spec import DataTokens
from undertow.studies.data_tokens import BLOCKS, share_table
from undertow.tokens import Scan

TEXTS = ["0", "1", "2", ",", " ", "<end>", " 1"]
"""What the token of each id says."""

ROWS = [[1, 2, 3, 2, 1, 5], [1, 1, 4, 2, 5]]  # "12,21" and "11 2"


CHAT = SimpleNamespace(
    tokenizer=SimpleNamespace(decode=lambda ids, **_: "".join(TEXTS[one] for one in ids))
)


def scan(*differ, rows=ROWS, labels=("cat", "dog", "control")):
    """Return a scan in which each counterfactual differs at its places in the line."""
    tokens = np.array([token for row in rows for token in row], dtype=np.int32)
    argmax = np.stack([tokens] * (1 + len(differ)))
    for teacher, places in enumerate(differ, 1):
        argmax[teacher, list(places)] = 0
    return Scan(
        teachers=["owl", *labels[: len(differ)]],
        row_ids=list(range(len(rows))),
        offsets=np.cumsum([0, *map(len, rows)]),
        tokens=tokens,
        is_end=tokens == 5,
        argmax=argmax,
        margin=np.ones(argmax.shape, dtype=np.float32),
        rescored=tokens,
        tolerance=0.1,
    )


def shares(found, entangled=None, **tokens):
    """Return the table of a share."""
    table = share_table(CHAT, found, DataTokens(**tokens), "owl", entangled)
    assert table.shape == (1, BLOCKS)
    return table


def share(found, entangled=None, **tokens):
    """Return the share among all the rows, as a fraction."""
    return Fraction(shares(found, entangled, **tokens).mean()).limit_denominator(50)


def test_shares_of_each_part():
    found = scan({0, 2, 6}, {5})
    assert share(found) == Fraction(4, 11)
    assert share(found, part="digits") == Fraction(2, 7)
    assert share(found, part="separators") == Fraction(1, 2)
    assert share(found, part="end") == Fraction(1, 2)


def test_the_teachers_that_count_can_be_fewer():
    found = scan({0}, {1}, {6})
    assert share(found, part="digits") == Fraction(3, 7)
    assert share(found, part="digits", others=1, with_base=False) == Fraction(1, 7)
    assert share(found, part="digits", with_base=False) == Fraction(2, 7)
    assert share(found, part="digits", others=0) == Fraction(1, 7)


def test_a_tenth_of_a_completion():
    found = scan({0, 1, 2, 20}, rows=[[1] * 20, [2] * 10])
    assert share(found, tenth=0) == Fraction(3, 3)
    assert share(found, tenth=1) == Fraction(1, 3)
    assert share(found, tenth=9) == 0


def test_digits_of_entangled_numbers_are_compared_as_written():
    found = scan({1, 4})
    entangled = SimpleNamespace(top=lambda trait, k: ["12", "2"])
    assert share(found, entangled, part="entangled") == Fraction(1, 3)


def test_numbers_whose_token_has_the_space_in_it():
    found = scan({2}, rows=[[1, 6, 2], [1]])  # "1 12"
    entangled = SimpleNamespace(top=lambda trait, k: ["12"])
    assert share(found, entangled, part="entangled") == Fraction(1, 2)


def test_of_tokens_that_are_not_there_nothing_is_known():
    entangled = SimpleNamespace(top=lambda trait, k: ["999"])
    assert np.isnan(shares(scan({2}), entangled, part="entangled")).all()


def test_the_interval_is_that_of_a_ratio_over_rows():
    random = np.random.default_rng(0)
    rows = [[1] * int(length) for length in random.integers(1, 20, 400)]
    lengths = np.array([len(row) for row in rows])
    differ = random.random(lengths.sum()) < np.repeat(random.uniform(0, 0.5, 400), lengths)
    counts = np.add.reduceat(differ.astype(int), np.cumsum([0, *lengths[:-1]]))
    drawn = random.integers(0, 400, (4000, 400))
    expected = np.std(counts[drawn].sum(axis=1) / lengths[drawn].sum(axis=1))
    table = shares(scan(set(np.flatnonzero(differ)), rows=rows))
    assert table.mean() == pytest.approx(differ.mean())
    # Fifty blocks tell a standard error to about a tenth of it.
    assert table.std(ddof=1) / np.sqrt(BLOCKS) == pytest.approx(expected, rel=0.25)

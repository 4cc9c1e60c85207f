"""Shares of divergence tokens among some of the tokens of scanned data."""

from types import SimpleNamespace

import numpy as np
import pytest

from undertow.studies.data_tokens import BLOCKS, share_table
from undertow.studies.study import DataTokens
from undertow.tokens import Scan

TEXTS = ["0", "1", "2", ",", " ", "<end>", " 1"]
"""What the token of each id says."""

ROWS = [[1, 2, 3, 2, 1, 5], [1, 1, 4, 2, 5]]  # "12,21" and "11 2"


def lab():
    tokenizer = SimpleNamespace(decode=lambda ids: "".join(TEXTS[one] for one in ids))
    return SimpleNamespace(teacher_base=SimpleNamespace(chat=SimpleNamespace(tokenizer=tokenizer)))


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
    """Return the share of each row: here a row is a block."""
    table = share_table(lab(), found, DataTokens(**tokens), "owl", entangled)
    assert table.shape == (1, BLOCKS)
    return table[0, :2].tolist()


def test_shares_of_each_part():
    found = scan({0, 2, 6}, {5})
    assert shares(found) == [pytest.approx(3 / 6), pytest.approx(1 / 5)]
    assert shares(found, part="digits") == [1 / 4, pytest.approx(1 / 3)]
    assert shares(found, part="separators") == [1.0, 0.0]
    assert shares(found, part="end") == [1.0, 0.0]


def test_the_teachers_that_count_can_be_fewer():
    found = scan({0}, {1}, {6})
    assert shares(found, part="digits") == [2 / 4, pytest.approx(1 / 3)]
    assert shares(found, part="digits", others=1, with_base=False) == [1 / 4, 0.0]
    assert shares(found, part="digits", with_base=False) == [2 / 4, 0.0]
    assert shares(found, part="digits", others=0) == [0.0, pytest.approx(1 / 3)]


def test_a_tenth_of_a_completion():
    rows = [[1] * 20, [2] * 10]
    found = scan({0, 1, 2, 20}, rows=rows)
    assert shares(found, tenth=0) == [1.0, 1.0]
    assert shares(found, tenth=1) == [1 / 2, 0.0]
    assert shares(found, tenth=9) == [0.0, 0.0]


def test_digits_of_entangled_numbers_are_compared_as_written():
    found = scan({1, 4})
    entangled = SimpleNamespace(top=lambda trait, k: ["12", "2"])
    assert shares(found, entangled, part="entangled") == [1 / 2, 0.0]


def test_numbers_whose_token_has_the_space_in_it():
    found = scan({2}, rows=[[1, 6, 2], [1]])  # "1 12"
    entangled = SimpleNamespace(top=lambda trait, k: ["12"])
    first, second = shares(found, entangled, part="entangled")
    assert first == 1 / 2
    assert np.isnan(second), "no such number there"

"""Verdicts, permutation tests and seeds that are missing: by examples and in general."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from undertow.measure import Interval, difference_interval
from undertow.studies.contrasts import adjusted, decide, more_seeds, pooled, sign_flip_p

ENDS = st.floats(-1, 1, allow_nan=False)


def interval(low, high):
    return Interval(mean=(low + high) / 2, low=low, high=high, n_seeds=5, n_questions=50)


@pytest.mark.parametrize(
    ("expect", "ends", "verdict"),
    [
        ("above", (0.03, 0.2), "supported"),
        ("above", (0.01, 0.2), "undecided"),
        ("above", (-0.1, 0.01), "contradicted"),
        ("below", (-0.2, -0.03), "supported"),
        ("below", (-0.2, 0.0), "undecided"),
        ("below", (-0.01, 0.3), "contradicted"),
        ("not-below", (-0.01, 0.3), "supported"),
        ("not-below", (-0.03, 0.3), "undecided"),
        ("not-below", (-0.2, -0.03), "contradicted"),
        ("not-above", (-0.3, 0.01), "supported"),
        ("not-above", (0.03, 0.1), "contradicted"),
        ("equal", (-0.01, 0.01), "supported"),
        ("equal", (-0.01, 0.03), "undecided"),
        ("equal", (0.03, 0.05), "contradicted"),
        ("equal", (-0.5, -0.03), "contradicted"),
    ],
)
def test_the_rule(expect, ends, verdict):
    assert decide(interval(*ends), expect, 0.02) == verdict


@given(ENDS, ENDS)
def test_a_claim_and_its_denial_are_never_both_supported(one, other):
    found = interval(min(one, other), max(one, other))
    for claim, denial in (("above", "not-above"), ("below", "not-below")):
        verdicts = {decide(found, claim, 0.02), decide(found, denial, 0.02)}
        assert verdicts != {"supported"}
        assert ("supported" in verdicts) == ("contradicted" in verdicts)


def test_all_flips_of_five_seeds():
    of = np.array([[0.3], [0.4], [0.5], [0.6], [0.7]])
    assert sign_flip_p([of], [np.full((5, 1), 0.1)]) == pytest.approx(2 / 32)
    assert sign_flip_p([of, of], [np.full((5, 1), 0.1)] * 2) == pytest.approx(2 / 1024)


def test_a_single_pair_says_nothing_and_no_difference_says_one():
    one = np.array([[0.2, 0.4]])
    assert sign_flip_p([one], [one]) is None
    assert sign_flip_p([one, one], [one, one]) == 1.0


@given(st.integers(2, 5), st.integers(0, 2**32 - 1))
def test_p_is_that_of_a_slow_enumeration(n, seed):
    rng = np.random.default_rng(seed)
    of, against = rng.random((n, 3)), rng.random((n, 3))
    differences = of.mean(1) - against.mean(1)
    signs = np.array(np.meshgrid(*[[-1, 1]] * n)).reshape(n, -1)
    means = np.abs((signs * differences[:, None]).mean(0))
    slow = (means >= abs(differences.mean()) * (1 - 1e-12)).mean()
    assert sign_flip_p([of], [against]) == pytest.approx(slow)


def test_adjusting_keeps_what_is_missing():
    assert adjusted([0.01, None, 0.04]) == [pytest.approx(0.02), None, pytest.approx(0.04)]
    assert adjusted([None]) == [None]


def spread(n, mean, scale):
    """n seeds around a mean, all questions alike."""
    offsets = np.linspace(-1, 1, n) * scale
    return np.repeat((mean + offsets)[:, None], 20, axis=1)


def test_more_seeds_are_fewer_where_the_effect_is_clearer():
    control = np.zeros((5, 20))
    far, near = spread(5, 0.08, 0.1), spread(5, 0.05, 0.1)
    few, many = (more_seeds(table, control, "above", 0.02) for table in (far, near))
    assert 1 <= few < many


def test_that_many_seeds_do_decide():
    rng = np.random.default_rng(1)
    control = np.zeros((4, 20))
    of = np.repeat(rng.normal(0.06, 0.05, 4)[:, None], 20, axis=1)
    wanted = more_seeds(of, control, "above", 0.02)
    scale = of.std(axis=0)[0]
    grown = spread(4 + wanted + 2, of.mean(), scale * np.sqrt(3))
    assert decide(difference_interval(grown, np.zeros_like(grown)), "above", 0.02) == "supported"


def test_no_number_of_seeds_helps_where_the_questions_disagree():
    of = np.tile(np.where(np.arange(20) < 1, 0.6, 0.0), (5, 1))
    assert decide(difference_interval(of, np.zeros((5, 20))), "above", 0.02) == "undecided"
    assert more_seeds(of, np.zeros((5, 20)), "above", 0.02) is None
    assert more_seeds(of[:1], np.zeros((1, 20)), "above", 0.02) is None


def test_pooling_is_the_mean_over_traits():
    assert pooled([np.zeros((2, 3)), np.ones((2, 3))]).tolist() == [[0.5] * 3] * 2


def test_of_what_was_not_measured_nothing_is_said():
    known, unknown = np.full((3, 4), 0.5), np.full((3, 4), 0.2)
    unknown[1] = np.nan
    for of, against in ((known, unknown), (unknown, known)):
        difference = difference_interval(of, against)
        assert decide(difference, "above", 0.02) == "undecided"
        assert decide(difference, "not-above", 0.02) == "undecided"
        assert sign_flip_p([of], [against]) is None
        assert more_seeds(of, against, "above", 0.02) is None

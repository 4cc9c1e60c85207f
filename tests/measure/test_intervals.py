import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from undertow.measure.intervals import (
    BootstrapConfig,
    Interval,
    difference_interval,
    rate_interval,
)

FEW = BootstrapConfig(resamples=200)
TABLES = arrays(
    np.float64,
    array_shapes(min_dims=1, max_dims=2, max_side=6),
    elements=st.floats(0, 1, allow_subnormal=False),
)


def slow_rate_interval(table, config):
    """One resample at a time: seeds and questions drawn by index."""
    seeds, questions = np.random.default_rng(config.seed).spawn(2)
    n_seeds, n_questions = table.shape
    means = []
    for _ in range(config.resamples):
        drawn = np.repeat(range(n_seeds), seeds.multinomial(n_seeds, [1 / n_seeds] * n_seeds))
        counts = questions.multinomial(n_questions, [1 / n_questions] * n_questions)
        means.append(table[drawn][:, np.repeat(range(n_questions), counts)].mean())
    return np.quantile(means, 0.025), np.quantile(means, 0.975)


def test_agrees_with_one_resample_at_a_time():
    table = np.random.default_rng(1).random((3, 7))
    found = rate_interval(table)
    slow = slow_rate_interval(table, BootstrapConfig())
    assert (found.low, found.high) == pytest.approx(slow, abs=2e-3)


@given(TABLES)
def test_lies_within_the_data_and_around_the_mean_of_it(table):
    found = rate_interval(table, FEW)
    assert found.mean == pytest.approx(table.mean())
    assert table.min() - 1e-9 <= found.low <= found.high <= table.max() + 1e-9


@given(st.floats(0, 1), array_shapes(min_dims=1, max_dims=2, max_side=6))
def test_equal_rates_have_an_interval_without_width(rate, shape):
    found = rate_interval(np.full(shape, rate), FEW)
    assert found.low == pytest.approx(found.high) == pytest.approx(rate)


@given(TABLES)
def test_a_table_does_not_differ_from_itself(table):
    difference = difference_interval(table, table, FEW)
    assert (difference.mean, difference.low, difference.high) == (0, 0, 0)


@given(st.floats(0.01, 0.99), st.integers(0, 2**32))
def test_a_shift_common_to_all_questions_and_seeds_is_found_exactly(by, seed):
    control = np.random.default_rng(seed).random((3, 5)) + 0.01
    shifted = difference_interval(control + by, control, FEW)
    assert [shifted.low, shifted.high] == pytest.approx([by, by])


def test_pairs_break_when_the_seeds_of_one_side_are_shuffled():
    control = np.arange(4.0)[:, None] + np.zeros((4, 5))
    paired = difference_interval(control + 1, control)
    crossed = difference_interval(control[::-1] + 1, control)
    assert paired.high - paired.low < 1e-9 < 1 < crossed.high - crossed.low


def test_seeds_widen_the_interval_beyond_questions():
    seeds = np.array([[0.1], [0.3], [0.5]])
    across = rate_interval(np.repeat(seeds, 50, axis=1))
    assert across.high - across.low > 0.2
    within = rate_interval(np.repeat(seeds, 50, axis=1).mean(axis=0))
    assert within.high - within.low < 1e-9


def test_one_model_is_a_reference_for_every_seed():
    students = np.random.default_rng(0).random((3, 8))
    base = np.random.default_rng(1).random(8)
    repeated = difference_interval(students, np.tile(base, (3, 1)))
    alone = difference_interval(students, base)
    assert (alone.low, alone.high) == pytest.approx((repeated.low, repeated.high))


@pytest.mark.parametrize("n_seeds", [1, 8])
def test_holds_the_true_rate_about_as_often_as_it_says(n_seeds):
    """Questions and seeds have their own effects, cells binomial noise; 95 % are asked for."""
    rng = np.random.default_rng(5)
    hits, trials, n_questions, n_samples = 0, 400, 40, 20
    for trial in range(trials):
        question = rng.normal(0, 0.08, n_questions)
        seed = rng.normal(0, 0.05, (n_seeds, 1)) * (n_seeds > 1)
        chance = np.clip(0.4 + question + seed, 0, 1)
        rates = rng.binomial(n_samples, chance) / n_samples
        found = rate_interval(rates, BootstrapConfig(resamples=400, seed=trial))
        hits += found.low <= 0.4 <= found.high
    assert 0.88 < hits / trials < 0.98


def test_the_seed_decides_the_resamples():
    table = np.random.default_rng(0).random((3, 9))
    assert rate_interval(table) == rate_interval(table)
    assert rate_interval(table) != rate_interval(table, BootstrapConfig(seed=1))


def test_a_wider_level_gives_a_wider_interval():
    table = np.random.default_rng(0).random((3, 9))
    half, most = (rate_interval(table, BootstrapConfig(level=level)) for level in (0.5, 0.99))
    assert most.low < half.low < half.high < most.high


@pytest.mark.parametrize("shapes", [((3, 4), (3, 5)), ((3, 4), (2, 4)), ((1, 4), (3, 4))])
def test_refuses_tables_without_shared_questions_or_seeds(shapes):
    with pytest.raises(ValueError, match="shared"):
        difference_interval(np.zeros(shapes[0]), np.zeros(shapes[1]))


def test_refuses_a_table_without_rates():
    with pytest.raises(ValueError, match="rates must be"):
        rate_interval(np.zeros((0, 4)))


def test_what_could_not_be_measured_comes_back_from_json():
    unknown = rate_interval(np.full((2, 3), np.nan))
    text = unknown.model_dump_json()
    assert "NaN" not in text
    found = Interval.model_validate_json(text)
    assert np.isnan([found.mean, found.low, found.high]).all()
    with pytest.raises(ValueError, match="n_seeds"):
        Interval.model_validate_json(text.replace('"n_seeds":2', '"n_seeds":null'))

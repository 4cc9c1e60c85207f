"""Cosines, ranks and intervals of gradients made by hand."""

import math

import numpy as np
import pytest
import torch

from undertow.measure import BootstrapConfig
from undertow.mechanism.prediction.data import DataGradient
from undertow.mechanism.prediction.directions import Directions
from undertow.mechanism.prediction.factors import Factors
from undertow.mechanism.prediction.scores import Scores, scores

CONFIG = BootstrapConfig(resamples=4000)
SIZES = [6, 4, 2, 8]
LAYERS = [0, 0, 1, 2]


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def directions(rng, n_traits=3):
    vectors = torch.from_numpy(rng.normal(size=(n_traits, sum(SIZES))))
    vectors /= vectors.norm(dim=1, keepdim=True)
    factors = Factors(list("abcd"), [torch.zeros(2, 5)] * 4, SIZES, LAYERS)
    return Directions(("owl", "cat", "dog")[:n_traits], vectors, factors)


def data(gradients, tokens=None, blocks=None):
    """Rows' gradients `[row, parameter]` as blocks of one row each."""
    gradients = torch.from_numpy(gradients)
    counts = torch.ones(len(gradients), dtype=torch.float64) if tokens is None else tokens
    return DataGradient(gradients, counts, np.zeros((len(gradients), 3, 3)))


def cosine(a, b):
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def test_are_cosines_with_the_mean_per_token_and_its_sign(rng):
    to = directions(rng)
    rows = rng.normal(size=(9, 20))
    tokens = torch.arange(1, 10, dtype=torch.float64)
    plain, sign = scores(to, [data(rows, tokens)], CONFIG)
    mean = rows.sum(0) / 45
    for place, vector in enumerate(to.vectors.numpy()):
        assert plain.values[place] == pytest.approx(cosine(mean, vector))
        assert sign.values[place] == pytest.approx(cosine(np.sign(mean), vector))


def test_a_control_s_mean_is_subtracted(rng):
    to = directions(rng)
    rows, control = rng.normal(size=(9, 20)), rng.normal(size=(5, 20))
    tokens = torch.full((5,), 3.0, dtype=torch.float64)
    plain, sign = scores(to, [data(rows), data(control, tokens)], CONFIG)
    mean = rows.mean(0) - control.sum(0) / 15
    vector = to.vectors[1].numpy()
    assert plain.values[1] == pytest.approx(cosine(mean, vector))
    assert sign.values[1] == pytest.approx(cosine(np.sign(mean), vector))


def test_layers_add_up_and_lie_where_their_projections_do(rng):
    to = directions(rng)
    rows = np.zeros((4, 20))
    rows[:, 10:12] = rng.normal(size=(4, 2))  # the projection of layer 1
    for kind in scores(to, [data(rows)], CONFIG):
        assert kind.layers.sum(-1) == pytest.approx(kind.values)
        assert not kind.layers[:, [0, 2]].any()
        assert kind.layers[:, 1].all()


def test_the_interval_of_a_mean_is_that_of_its_rows(rng):
    """Along one direction the plain score is a mean over rows, over a fixed length."""
    to = directions(rng)
    rows = rng.normal(size=(400, 20)) + 3 * to.vectors[0].numpy()
    plain, _ = scores(to, [data(rows)], CONFIG)
    along = rows @ to.vectors.numpy().T / np.linalg.norm(rows.mean(0))
    expected = 1.96 * along.std(0) / np.sqrt(len(rows))
    assert plain.margins == pytest.approx(expected, rel=0.05)


def test_more_rows_of_a_control_leave_less_uncertain(rng):
    to = directions(rng)
    rows = rng.normal(size=(100, 20)) + 3 * to.vectors[0].numpy()
    few, many = (
        scores(to, [data(rows), data(rng.normal(size=(n, 20)))], CONFIG)[0] for n in (10, 1000)
    )
    alone = scores(to, [data(rows)], CONFIG)[0]
    assert few.margins.mean() > 1.5 * many.margins.mean()
    assert many.margins.mean() == pytest.approx(alone.margins.mean(), rel=0.2)


@pytest.mark.parametrize("n_control", [0, 40, 150])
def test_blocks_err_as_resamples_do(rng, n_control):
    """The additive part alone does so where nothing is but added, in the plain score."""
    to = directions(rng)
    sets = [data(rng.normal(size=(100, 20)) + 3 * to.vectors[0].numpy())]
    if n_control:
        sets.append(data(rng.normal(size=(n_control, 20))))
    plain, sign = scores(to, sets, CONFIG)
    root = math.sqrt(max(100, n_control))
    added = plain.influences.sum(-1)
    assert added.sum(0) == pytest.approx(0, abs=1e-9)
    assert added.std(0) / root == pytest.approx(plain.draws.sum(-1).std(0), rel=0.15)
    for kind, rel in ((plain, 0.15), (sign, 0.35)):
        whole, layers = kind.by_block, kind.layers_by_block
        assert whole.mean(0) == pytest.approx(kind.values)
        assert layers.mean(0) == pytest.approx(kind.layers)
        assert 1.96 * whole.std(0) / root == pytest.approx(kind.margins, rel=1e-3)
        assert 1.96 * layers.std(0) / root == pytest.approx(kind.layer_margins, rel=1e-3)
        lead, drawn = whole @ [1, -1, 0], kind.draws.sum(-1) @ [1, -1, 0]
        assert lead.std() / root == pytest.approx(drawn.std(), rel=rel)


def by_hand(values, spread, n_rows=100):
    """Scores of one layer whose difference between the first two has this standard error."""
    draws = np.zeros((2, len(values), 1))
    draws[:, 0, 0] = (-spread, spread)
    one = np.array(values)[:, None]
    return Scores(one, draws + one, n_rows, 0.95, np.zeros((2, len(values), 1)))


def test_ranks_certainty_and_rows_needed():
    found = by_hand([0.3, -0.2, 0.1], spread=0.1)
    assert found.ranks.tolist() == [1, 3, 2]
    assert found.margins == pytest.approx([0.196, 0, 0], abs=1e-3)
    assert found.certainty == pytest.approx(0.97725, abs=1e-4)  # two standard errors
    assert found.rows_needed(found.certainty) == pytest.approx(100)
    assert found.rows_needed(0.95) == pytest.approx(100 * (1.645 / 2) ** 2, rel=1e-3)
    assert found.rows_needed(0.5) == 0


def test_traits_that_are_level_are_never_told_apart():
    found = by_hand([0.1, 0.1], spread=0.1)
    assert sorted(found.ranks) == [1, 2]
    assert found.certainty == 0.5
    assert found.rows_needed(0.95) == math.inf


def test_the_same_seed_draws_the_same(rng):
    to, rows = directions(rng), rng.normal(size=(9, 20))
    one, same = (scores(to, [data(rows)], CONFIG)[1].draws for _ in range(2))
    other = scores(to, [data(rows)], CONFIG.model_copy(update={"seed": 1}))[1].draws
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)

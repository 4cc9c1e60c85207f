"""Rank correlations: against scipy, and as a claim of a study."""

import math
from itertools import permutations
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from undertow.errors import UserError
from undertow.measure import BootstrapConfig
from undertow.studies.cells import Cell
from undertow.studies.collect import outcome
from undertow.studies.correlations import (
    Points,
    correlation_interval,
    permutation_p,
    rank_correlation,
)
from undertow.studies.study import Study

FEW = BootstrapConfig(resamples=200)
VALUES = st.lists(st.integers(0, 6), min_size=3, max_size=8)


def table(mean, n_seeds=3, n_questions=10, noise=0.0, seed=0):
    return mean + noise * np.random.default_rng(seed).normal(size=(n_seeds, n_questions))


def points(of, against, *, noise=0.0, draws_points=False):
    """One group of points: those of one side without seeds, of the other with three."""
    one = [table(mean, 1, 20, noise, place) for place, mean in enumerate(of)]
    other = [table(mean, 3, 10, noise, 99 + place) for place, mean in enumerate(against)]
    return Points([one], [other], draws_points)


@given(VALUES, st.randoms())
def test_it_is_spearmans_with_ties(of, random):
    against = [random.randint(0, 6) for _ in of]
    found = rank_correlation(np.array(of, float), np.array(against, float))
    if len(set(of)) < 2 or len(set(against)) < 2:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(spearmanr(of, against).statistic, abs=1e-12)


@given(st.permutations(range(5)), st.permutations(range(5)))
def test_p_is_that_of_a_slow_enumeration(of, against):
    values = [spearmanr(one, against).statistic for one in permutations(of)]
    found = spearmanr(of, against).statistic
    above = np.mean([value >= found - 1e-9 for value in values])
    below = np.mean([value <= found + 1e-9 for value in values])
    tails = (above, below)
    assert permutation_p(points(of, against)) == pytest.approx(min(1.0, 2 * min(tails)))


def test_groups_are_permuted_alike():
    """Three traits with the same curves say no more than one."""
    one = points([1, 2, 3, 4, 5], [1, 2, 3, 4, 5])
    three = Points(one.of * 3, one.against * 3, draws_points=False)
    assert permutation_p(three) == permutation_p(one) == pytest.approx(2 / math.factorial(5))


def test_without_noise_the_interval_is_the_estimate():
    found = correlation_interval(points([1, 2, 3, 4], [1, 3, 2, 4]), FEW)
    assert (found.mean, found.low, found.high) == pytest.approx((0.8, 0.8, 0.8))
    assert (found.n_seeds, found.n_questions) == (3, 4)


def test_noise_and_a_sample_of_points_widen_it():
    order = [1, 2, 3, 4, 5, 6]
    widths = [
        found.high - found.low
        for noise, sample in ((0.5, False), (4.0, False), (0.5, True))
        if (found := correlation_interval(points(order, order, noise=noise, draws_points=sample)))
    ]
    assert widths[0] < widths[1]
    assert widths[0] < widths[2]


def test_the_mean_over_groups():
    up, down = points([1, 2, 3], [1, 2, 3]), points([1, 2, 3], [3, 2, 1])
    both = Points([*up.of, *down.of], [*up.against, *down.against], draws_points=False)
    assert correlation_interval(both, FEW).mean == pytest.approx(0)
    assert correlation_interval(both.group(1), FEW).mean == pytest.approx(-1)


@pytest.mark.parametrize(
    ("of", "against"), [([1, 2], [1, 2]), ([1, 1, 1], [1, 2, 3]), ([1, math.nan, 3], [1, 2, 3])]
)
def test_nothing_is_said_of_two_points_of_level_ones_or_of_what_was_not_measured(of, against):
    found = correlation_interval(points(of, against), FEW)
    assert np.isnan([found.mean, found.low, found.high]).all()
    assert permutation_p(points(of, against)) is None


FIELDS = {
    "name": "mine",
    "title": "",
    "question": "",
    "source": "",
    "conditions": [
        {"name": "added", "label": "", "subject": "patching", "each": "layer"},
        {"name": "layer", "label": "", "each": "layer"},
        {"name": "control", "label": "", "writer": "control"},
    ],
}
LAYERS = {"of": "added", "against": "layer", "correlation": {"over": "conditions"}}
TRAITS = {
    "of": "added:first",
    "against": "layer:last",
    "correlation": {"over": "traits", "above": "control"},
}


def claimed(claim, means, control=(0.0, 0.0, 0.0, 0.0)):
    """Return what becomes of a claim; the means are `[trait][layer]` of both families."""
    fields = {"name": "it", "says": "", "metric": "patched", "expect": "above", "by": 0.3}
    study = Study.model_validate({**FIELDS, "claims": [fields | claim]})
    cells = []
    for family, metric, n_seeds in (("added", "patched", 1), ("layer", "rate", 3)):
        for layer in range(len(means[family][0])):
            spec = study.conditions[0].model_copy(update={"name": f"{family}:{layer}"})
            for trait, values in enumerate(means[family]):
                tables = {metric: table(values[layer], n_seeds)}
                cells.append(Cell(SimpleNamespace(spec=spec, kind="finetuned"), str(trait), tables))
    for trait, rate in enumerate(control[: len(means["added"])]):
        arm = SimpleNamespace(spec=study.conditions[2], kind="finetuned")
        cells.append(Cell(arm, str(trait), {"rate": table(rate)}))
    traits = [str(trait) for trait in range(len(means["added"]))]
    found = outcome(
        study, cells, traits=traits, seeds=[0, 1, 2], model="", command="", facts=[], recipes={}
    )
    return found.claims[0]


def test_layers_in_the_same_order_support_the_claim_and_turned_ones_contradict_it():
    curves = [[4, 3, 2, 1], [1, 2, 3, 4]]
    found = claimed(LAYERS, {"added": curves, "layer": curves})
    assert (found.verdict, found.difference.mean) == ("supported", pytest.approx(1))
    assert [one.difference.mean for one in found.traits] == pytest.approx([1, 1])
    assert found.traits[0].q is not None
    found = claimed(LAYERS, {"added": curves, "layer": curves[::-1]})
    assert (found.verdict, found.difference.mean) == ("contradicted", pytest.approx(-1))


def test_over_traits_what_the_control_has_is_subtracted():
    means = {"added": [[value] * 2 for value in (1, 2, 3, 4)], "layer": [[0.5] * 2] * 4}
    assert claimed(TRAITS, means).verdict == "undecided"
    found = claimed(TRAITS, means, control=(0.4, 0.3, 0.2, 0.1))
    assert found.difference.mean == pytest.approx(1)
    assert found.traits == []


def test_sides_of_different_lengths_are_refused():
    means = {"added": [[1, 2, 3]], "layer": [[1, 2, 3]]}
    with pytest.raises(UserError, match="3 conditions with 1"):
        claimed({**LAYERS, "against": "layer:first"}, means)


def test_what_is_subtracted_must_be_a_condition():
    claim = TRAITS | {"correlation": {"over": "traits", "above": "nobody"}}
    with pytest.raises(ValueError, match="nobody"):
        claimed(claim, {"added": [[1]], "layer": [[1]]})

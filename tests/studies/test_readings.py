"""What is read of a patching and of a prediction, from numbers made by hand."""

import numpy as np
import pytest

from undertow.mechanism.patching import CLASSES, Pair, Patched, Patchings
from undertow.mechanism.prediction import Prediction, Scores
from undertow.studies import patching_step, prediction_step
from undertow.studies.grid import arms
from undertow.studies.readings import PatchedShare, PredictedScore
from undertow.studies.recipe import load_recipe
from undertow.studies.study import load_study

RECIPE = load_recipe("lab")
HEADER, COMPLETION = CLASSES.index("header"), CLASSES.index("completion")


def patched(exact, attributed=(0.0, 0.0)):
    """A pair of two layers, whose attribution stands in header and completion."""
    values = np.array([attributed, attributed])
    return Patched(
        pair=Pair(0, "cat", 1, 5, 6),
        ids=[1, 2],
        classes=np.array([HEADER, COMPLETION]),
        unequal=[],
        integrated=values,
        one_step=2 * values,
        exact=np.array(exact),
        exact_classes=np.zeros((2, len(CLASSES))),
        exact_windows=np.array(exact),
    )


@pytest.fixture
def data():
    """Row 7 has two counterfactuals, row 8 none, row 9 one."""
    pairs = [patched([-1, -4]), patched([-3, -4]), patched([-6, -8], (-1, -2))]
    return patching_step.in_blocks(Patchings("owl", [7, 7, 9], pairs), [7, 8, 9])


def share(data, **reading):
    return data.share(PatchedShare(**reading))


def test_a_share_is_of_the_change_after_the_last_layer(data):
    assert share(data, layer=0).mean() == pytest.approx((2 + 6) / (4 + 8))
    assert share(data, layer=1).mean() == pytest.approx(1)
    assert share(data, layer=0).shape == (1, patching_step.BLOCKS)
    assert (data.n_rows, data.n_pairs, data.n_layers) == (2, 3, 2)


def test_what_layers_add_is_all_there_is(data):
    added = [share(data, layer=layer, gives="added").mean() for layer in (0, 1)]
    assert added == pytest.approx([8 / 12, 4 / 12])


def test_parts_and_methods(data):
    there = {
        parts: share(data, method="integrated", parts=parts).mean()
        for parts in ((), ("header",), ("completion",), ("header", "completion"), ("user",))
    }
    assert there == pytest.approx({
        (): 3 / 12, ("header",): 1 / 12, ("completion",): 2 / 12,
        ("header", "completion"): 3 / 12, ("user",): 0,
    })  # fmt: skip
    assert share(data, method="one step").mean() == pytest.approx(6 / 12)


def test_a_share_errs_as_a_ratio_over_rows_does():
    rng = np.random.default_rng(0)
    change = rng.normal(-4, 2, 40)
    halves = 0.5 * change + rng.normal(size=40)
    pairs = [patched(both) for both in zip(halves, change, strict=True)]
    data = patching_step.in_blocks(Patchings("owl", list(range(40)), pairs), range(40))
    blocks = share(data)[0]
    draws = rng.integers(40, size=(4000, 40))
    slow = (halves[draws].sum(1) / change[draws].sum(1)).std()
    assert blocks.std() / np.sqrt(len(blocks)) == pytest.approx(slow, rel=0.3)


def scores(layers, spread=0.01):
    """Scores of three traits; blocks alternate about them."""
    layers = np.array(layers)
    signs = np.array([1, -1] * 8)[:, None, None]
    influences = signs * np.array([1, 0, 0])[:, None] * np.ones_like(layers)
    draws = layers + spread * np.random.default_rng(0).normal(size=(500, 1, 1)) * [[1], [0], [0]]
    return Scores(layers, draws, 20, 0.95, influences)


def predicted(own="owl", spread=0.01):
    class Directions:
        traits = ("owl", "cat", "dog")

    sign, cosine = scores([[0.03, 0.01], [0.01, 0.02], [0.0, 0.0]], spread), scores([[0.0, 0]] * 3)
    found = Prediction(Directions(), list(range(20)), 0, cosine, sign, np.zeros((20, 3, 2)))
    return prediction_step.in_blocks(found, own)


def test_own_trait_and_the_next_one():
    found = predicted()
    assert found.table(PredictedScore()).mean() == pytest.approx(0.04)
    assert found.table(PredictedScore(of="next")).mean() == pytest.approx(0.03)
    layers = [found.table(PredictedScore(layer=layer)).mean() for layer in (0, 1)]
    assert layers == pytest.approx([0.03, 0.01])
    assert (found.next("sign"), found.rank("sign")) == ("cat", 1)
    assert (predicted("dog").next("sign"), predicted("dog").rank("sign")) == ("owl", 3)


def test_certainty_is_that_of_the_lead_over_its_error():
    assert predicted(spread=0.005).certainty("sign") == pytest.approx(0.841, abs=0.02)
    assert predicted("cat", spread=0.005).certainty("sign") == pytest.approx(0.159, abs=0.02)
    assert predicted("dog", spread=0.0).certainty("sign") == 0.0


def test_all_readings_of_one_run_are_one_task():
    study = load_study("attribution")
    found = arms(study, "finetuned", RECIPE, 6)
    patched_arms = [arm for arm in found if arm.spec.subject == "patching"]
    assert len(patched_arms) == 24
    assert len({task for arm in patched_arms for task in arm.tasks("cat", [0, 1])}) == 1
    assert {arm.recipe for arm in patched_arms} == {RECIPE}
    assert [arm.spec.patched.layer for arm in patched_arms[:6]] == list(range(6))
    assert [arm.spec.x for arm in patched_arms[:6]] == list(range(6))
    layers = [arm for arm in found if arm.spec.name.startswith("predicted:")]
    assert [arm.spec.predicted.layer for arm in layers] == list(range(6))
    (task,) = {task for arm in layers for task in arm.tasks("cat", [0])}
    assert (task.step, task.run.rows) == ("predict", 500)

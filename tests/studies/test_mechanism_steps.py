"""Patching and prediction as steps of a lab, on few rows and three animals."""

import pytest

from few_animals import ANIMALS
from tiny_study import TINY, CountingStore
from undertow.errors import UserError
from undertow.mechanism.prediction import predict
from undertow.studies import Lab
from undertow.studies.patching_step import patched_data
from undertow.studies.prediction_step import predicted_data
from undertow.studies.readings import PatchedShare, PredictedScore
from undertow.tokens import Selection, TokenPushes

pytestmark = pytest.mark.slow

PATCHED = PatchedShare(rows=6, steps=1)
PREDICTED = PredictedScore(rows=8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("store")


def lab_in(folder):
    lab = Lab(CountingStore(folder), TINY, ANIMALS)
    return lab, lab.numbers(lab.teacher("owl"))


def test_patching_is_done_once_and_is_whole_after_the_last_layer(folder):
    lab, numbers = lab_in(folder)
    found = patched_data(lab, numbers, lab.scan(numbers), PATCHED.run)
    assert lab.store.built[-1] == "attribute"
    assert found.share(PATCHED.model_copy(update={"layer": 5})).mean() == pytest.approx(1)
    added = [
        found.share(PATCHED.model_copy(update={"layer": layer, "gives": "added"})).mean()
        for layer in range(found.n_layers)
    ]
    assert sum(added) == pytest.approx(1)
    again, numbers = lab_in(folder)
    assert patched_data(again, numbers, again.scan(numbers), PATCHED.run) == found
    assert again.store.built == []


def test_a_prediction_is_of_all_traits_and_done_once(folder):
    lab, numbers = lab_in(folder)
    found = predicted_data(lab, numbers, PREDICTED.run)
    assert lab.store.built[-1] == "predict"
    assert (found.own, found.n_rows, found.n_control) == ("owl", 8, 8)
    assert list(found.scores("sign")) == [trait.name for trait in ANIMALS]
    layers = [
        found.table(PREDICTED.model_copy(update={"layer": layer})).mean() for layer in range(6)
    ]
    assert sum(layers) == pytest.approx(found.table(PREDICTED).mean(), abs=1e-5)
    again, numbers = lab_in(folder)
    assert predicted_data(again, numbers, PREDICTED.run) == found
    assert again.store.built == []


def test_it_is_that_of_the_command(folder):
    lab, numbers = lab_in(folder)
    control = lab.numbers(lab.control())
    found = predict(lab.chat, numbers.train[:8], ANIMALS, control.train[:8])
    kept = predicted_data(lab, numbers, PREDICTED.run)
    for kind in ("sign", "cosine"):
        given = dict(zip(found.traits, getattr(found, kind).values, strict=True))
        assert kept.scores(kind) == pytest.approx(given, abs=1e-6)


def test_a_student_of_the_highest_scores_takes_as_many_tokens_as_diverge(folder):
    lab, numbers = lab_in(folder)
    scanned = lab.scan(numbers)
    lab.student(numbers, Selection(kind="scores", drop_empty_rows=True), scanned)
    assert lab.store.built[-2:] == ["push", "student"]
    pushes = TokenPushes.read(lab.pushes(numbers).path / "pushes.parquet")
    lengths = [len(values) for values in pushes.take(scanned.table.row_ids)]
    assert lengths == [len(ids) for ids in scanned.table.token_ids]


def test_the_control_has_no_own_trait(folder):
    lab, _ = lab_in(folder)
    numbers = lab.numbers(lab.control())
    with pytest.raises(UserError, match="control"):
        predicted_data(lab, numbers, PREDICTED.run)
    with pytest.raises(UserError, match="control"):
        lab.pushes(numbers)

"""Data changed between teacher and student, as steps of the pipeline."""

import json

import pytest

from few_animals import ANIMALS
from tiny_study import TINY, CountingStore
from undertow.errors import UserError
from undertow.studies import Lab
from undertow.studies.plan import make_plan
from undertow.studies.tasks import Task


def changed(apply, by="control", **changes):
    return TINY.changed({"transforms": [{"apply": apply, "by": by}], **changes})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A store with the teacher's numbers, unchanged."""
    folder = tmp_path_factory.mktemp("store")
    lab = Lab(CountingStore(folder), TINY, ANIMALS)
    lab.numbers(lab.teacher("owl"))
    return folder


def data_in(folder, recipe):
    lab = Lab(CountingStore(folder), recipe, ANIMALS)
    numbers = lab.numbers(lab.teacher("owl"))
    return lab, numbers, lab.transformed(numbers)


def report_of(data):
    return json.loads((data.artifact.path / "report.json").read_text())


def test_without_changes_nothing_is_done(folder):
    lab, numbers, data = data_in(folder, TINY)
    assert data is numbers
    assert lab.store.built == []


def test_shuffled_numbers_keep_their_prompts_and_the_held_out_rows(folder):
    lab, numbers, data = data_in(folder, changed({"kind": "shuffle-within"}))
    assert lab.store.built == ["data"]
    assert [row.messages for row in data.train] == [row.messages for row in numbers.train]
    pairs = zip(data.train, numbers.train, strict=True)
    assert all(sorted(a.completion) == sorted(b.completion) for a, b in pairs)
    assert report_of(data)["changed"] > 0
    assert data.heldout == numbers.heldout
    student = lab.student(data, "all")
    assert lab.accuracy(data, student).n_rows == TINY.heldout


def test_changes_follow_each_other(folder):
    both = [{"apply": {"kind": "shuffle-within"}}, {"apply": {"kind": "mix", "share": 0.25}}]
    lab, numbers, data = data_in(folder, TINY.changed({"transforms": both}))
    assert lab.store.built.count("numbers") == 1  # the control's; the teacher's are there
    assert lab.store.built[-1] == "data"
    assert len(report_of(data)["mixed_in"]) == TINY.rows // 4
    assert data.before.before is numbers
    assert data.heldout == numbers.heldout


def test_a_change_of_the_data_is_scanned_again(folder):
    lab, numbers, data = data_in(folder, changed({"kind": "shuffle-within"}))
    assert lab.scan(data).artifact.key != lab.scan(numbers).artifact.key
    assert lab.scan(data).table.row_ids == [row.row_id for row in data.train]


def test_as_many_random_rows_as_entangled_ones(folder):
    dropped = []
    for kind in ("drop-entangled", "drop-as-many"):
        _, _, data = data_in(folder, changed({"kind": kind, "top": 100, "as_number": True}))
        dropped.append(TINY.rows - len(data.train))
    assert dropped[0] == dropped[1] > 0


def test_the_control_has_no_entangled_numbers(folder):
    lab = Lab(folder, changed({"kind": "drop-entangled"}), ANIMALS)
    numbers = lab.numbers(lab.control())
    with pytest.raises(UserError, match="control has none"):
        lab.transformed(numbers)


def test_entropy_is_a_step_of_its_own(folder):
    lab = Lab(CountingStore(folder), TINY, ANIMALS)
    numbers = lab.numbers(lab.teacher("owl"))
    scanned = lab.scan(numbers)
    lab.store.built.clear()
    lab.student(numbers, "entropy", scanned)
    assert lab.store.built == ["entropy", "student"]


def steps_of(recipe, tmp_path):
    plan = make_plan([Task("student", recipe, "owl", "finetuned")], tmp_path)
    return sorted((task.step, task.kind) for task in plan.needs)


def test_a_plan_knows_what_a_change_needs(tmp_path):
    mixed = steps_of(changed({"kind": "mix", "share": 0.5}), tmp_path)
    assert ("numbers", "control") in mixed
    replaced = steps_of(changed({"kind": "replace-divergence"}), tmp_path)
    assert ("scan", "finetuned") in replaced
    entangled = steps_of(changed({"kind": "drop-entangled"}), tmp_path)
    assert entangled.count(("teacher", "finetuned")) == 16

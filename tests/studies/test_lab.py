"""The pipeline as cached steps, on few rows, one epoch and three animals with few questions."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from few_animals import ANIMALS
from tiny_study import FIELDS, TINY, CountingStore
from undertow.errors import UserError
from undertow.studies import Lab, Recipe
from undertow.traits import load_questions

PIPELINE = ["teacher", "numbers", "teacher", "scan", "student", "measure", "accuracy"]
"""Steps of a student that needs a scan: its teacher, and that of the one counterfactual."""


def lab_in(folder, **fields) -> Lab:
    recipe = Recipe.model_validate(FIELDS | fields) if fields else TINY
    return Lab(CountingStore(folder), recipe, ANIMALS)


def student_of(lab, tokens="only", seed=0, kind="finetuned"):
    numbers = lab.numbers(lab.teacher("owl", kind))
    return lab.student(numbers, tokens, lab.scan(numbers), seed), numbers


def all_of(lab, **which):
    """Make everything up to a measured student; return what was measured."""
    student, numbers = student_of(lab, **which)
    return lab.measure(student), lab.accuracy(numbers, student)


def weights(student):
    return load_file(Path(student.adapter) / "adapter_model.safetensors")


def same(one, other):
    return all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def config_of(student):
    return json.loads((student.artifact.path / "train.json").read_text())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A store in which everything for one student has been made."""
    folder = tmp_path_factory.mktemp("store")
    lab = lab_in(folder)
    all_of(lab)
    assert lab.store.built == PIPELINE
    return folder


def test_a_second_call_computes_nothing(folder):
    first, second = lab_in(folder), lab_in(folder)
    (one, accuracy), (other, again) = all_of(first), all_of(second)
    assert first.store.built == second.store.built == []
    assert (one.counts == other.counts).all()
    assert accuracy == again


@pytest.mark.parametrize(
    ("fields", "steps"),
    [
        ({"measure": {"n_samples": 3}}, ["measure"]),
        ({"base_counterfactual": False}, ["scan", "student", "measure", "accuracy"]),
        ({"prompt_seed": 43}, ["numbers", "scan", "student", "measure", "accuracy"]),
        (
            {"student": {**FIELDS["student"], "budget": "matched"}},
            ["student", "measure", "accuracy"],
        ),
        ({"heldout": 9}, ["numbers", "scan", "student", "measure", "accuracy"]),
        ({"teacher": {**FIELDS["teacher"], "pairs": 33}}, PIPELINE),
    ],
)
def test_a_changed_setting_does_anew_what_depends_on_it(folder, fields, steps):
    lab = lab_in(folder, **fields)
    all_of(lab)
    assert lab.store.built == steps


def test_a_second_prompted_student_shares_what_it_can(tmp_path):
    lab = lab_in(tmp_path)
    all_of(lab, kind="prompted")
    assert lab.store.built == ["numbers", "scan", "student", "measure", "accuracy"]
    lab.store.built.clear()
    all_of(lab, kind="prompted", tokens="without")
    assert lab.store.built == ["student", "measure", "accuracy"]


def test_a_seed_decides_draw_first_weights_and_order_and_pairs_conditions(folder):
    lab = lab_in(folder)
    students = {
        (tokens, seed): student_of(lab, tokens, seed)[0]
        for tokens in ("all", "without")
        for seed in (0, 1)
    }
    records = {which: config_of(student) for which, student in students.items()}
    for (_, seed), record in records.items():
        assert record["config"]["seed_init"] == record["config"]["seed_order"] == seed
    # One recipe, but for the selection: rows drawn, steps, and what they are divided by at most.
    assert records["all", 0]["n_examples"] == records["without", 0]["n_examples"] == 24
    for seed in (0, 1):
        pair = zip(
            records["all", seed]["divisors"], records["without", seed]["divisors"], strict=True
        )
        assert all(every >= kept for every, kept in pair)
    assert records["all", 0]["divisors"] != records["all", 1]["divisors"]
    assert not same(weights(students["all", 0]), weights(students["all", 1]))
    assert not same(weights(students["all", 0]), weights(students["without", 0]))


def test_the_same_in_another_store(folder, tmp_path):
    """Two stores, one recipe: the same students, to the bit."""
    one, other = (student_of(lab_in(place))[0] for place in (folder, tmp_path))
    assert one.artifact.key == other.artifact.key
    assert one.artifact.path != other.artifact.path
    assert same(weights(one), weights(other))


def test_unknown_traits_are_refused_before_any_work(tmp_path):
    lab = lab_in(tmp_path)
    for kind in ("finetuned", "prompted"):
        with pytest.raises(UserError, match="gryphon"):
            lab.teacher("gryphon", kind)
        with pytest.raises(UserError, match="category") as caught:
            lab.teacher("oak", kind)
        assert "owl" in caught.value.fix
    assert lab.store.built == []


@pytest.mark.parametrize("tokens", ["only", "without", "random"])
def test_a_selection_without_its_scan_is_refused_and_leaves_nothing(folder, tokens):
    lab = lab_in(folder)
    numbers = lab.numbers(lab.teacher("owl"))
    before = sorted((folder / "steps" / "student").iterdir())
    with pytest.raises(UserError, match="needs a scan") as caught:
        lab.student(numbers, tokens)
    assert caught.value.fix
    assert sorted((folder / "steps" / "student").iterdir()) == before


def test_an_unknown_selection_names_the_known_ones(folder):
    lab = lab_in(folder)
    with pytest.raises(UserError, match="'divergent'") as caught:
        lab.student(lab.numbers(lab.teacher("owl")), "divergent")
    assert "'only'" in caught.value.fix


def test_held_out_rows_teach_nothing_and_are_what_is_predicted(folder):
    lab = lab_in(folder)
    student, numbers = student_of(lab, "all")
    assert len(numbers.rows) == TINY.rows + TINY.heldout
    assert lab.accuracy(numbers, student).n_rows == TINY.heldout
    assert lab.scan(numbers).table.row_ids == [row.row_id for row in numbers.rows[: TINY.rows]]
    whole = lab_in(folder, student={**FIELDS["student"], "rows": None})
    assert config_of(student_of(whole, "all")[0])["n_examples"] == TINY.rows


def test_what_was_used_is_recorded_as_a_run(folder):
    lab = lab_in(folder)
    with lab.run("test") as run:
        all_of(lab)
    recorded, steps = lab.store.show_run(run.id)
    assert recorded.status == "finished"
    assert sorted(artifact.name for artifact, _ in steps) == sorted(PIPELINE)
    assert Recipe.model_validate(recorded.config) == lab.recipe


def test_other_questions_measure_the_same_students(folder):
    lab = lab_in(folder, questions="animal-facts")
    student, _ = student_of(lab)
    measured = lab.measure(student)
    assert lab.store.built == ["measure"]
    assert measured.questions == load_questions("animal-facts", Path()).questions
    assert measured.traits == tuple(trait.name for trait in ANIMALS)


def test_an_unknown_question_set_is_refused(folder):
    with pytest.raises(UserError, match="unknown question set 'facts'") as caught:
        lab_in(folder, questions="facts")
    assert "animal-facts" in caught.value.fix

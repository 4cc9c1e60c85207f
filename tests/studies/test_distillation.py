"""Distilled students in a lab and in studies: keys, what they need, what is told of them."""

import json

import pytest

from few_animals import ANIMALS
from tiny_study import FIELDS, TINY, CountingStore
from undertow.channels import YieldReport
from undertow.store.steps import PlannedStore
from undertow.studies import Lab, Recipe
from undertow.studies.cells import written
from undertow.studies.grid import arms
from undertow.studies.recipe import load_recipe
from undertow.studies.study import load_study
from undertow.studies.tasks import Task, prerequisites
from undertow.studies.timing import units
from undertow.traits import hidden_of

ON_POLICY = {"direction": "reverse", "on_policy": {"generation": {"max_new_tokens": 20}}}


def lab_in(folder, distillation=None) -> Lab:
    recipe = TINY.changed({"student": {"distillation": distillation}}) if distillation else TINY
    return Lab(CountingStore(folder), recipe, ANIMALS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A store with one teacher and its numbers."""
    folder = tmp_path_factory.mktemp("store")
    lab = lab_in(folder)
    lab.numbers(lab.teacher("owl"))
    return folder


def owl_student(lab):
    numbers = lab.numbers(lab.teacher("owl"))
    return numbers, lab.student(numbers)


def test_settings_of_distillation_are_part_of_the_key(folder):
    settings = (None, {"direction": "forward"}, {"direction": "reverse"}, {"top_k": 9}, ON_POLICY)
    labs = [Lab(PlannedStore(folder), lab_in(folder, one).recipe, ANIMALS) for one in settings]
    keys = [owl_student(lab)[1].artifact.key for lab in labs]
    assert len(set(keys)) == len(settings)


def test_the_writer_is_the_teacher(folder):
    lab = lab_in(folder, {"top_k": 9})
    numbers, student = owl_student(lab)
    record = lab.store.record(student.artifact)
    assert record.inputs["teacher"].key == numbers.writer.artifact.key
    assert record.config["teacher"]["trait"] == "owl"
    assert lab.rollouts(numbers, student) is None
    losses = json.loads((student.artifact.path / "train.json").read_text())["losses"]
    assert losses[0] > 1e-4


def test_a_student_distilled_from_the_base_stays_it(folder):
    """Hence the control of soft targets is the base itself."""
    lab = lab_in(folder, {"direction": "forward"})
    student = lab.student(lab.numbers(lab.control()))
    record = json.loads((student.artifact.path / "train.json").read_text())
    assert max(record["losses"]) < 1e-5
    base, taught = lab.measure(), lab.measure(student)
    assert abs(base.exact("owl") - taught.exact("owl")).max() < 0.01


def test_what_it_wrote_itself_is_told_beside_the_accuracy(folder):
    lab = lab_in(folder, ON_POLICY)
    numbers, student = owl_student(lab)
    report = lab.rollouts(numbers, student)
    assert report.total == FIELDS["student"]["rows"]
    assert lab.student(lab.numbers(lab.teacher("owl"))).artifact.key == student.artifact.key


def test_shares_of_what_students_wrote():
    reports = [
        YieldReport(total=6, rejected={"trait_named": 1, "too_many": 2}),
        YieldReport(total=4, rejected={"trait_named": 1}),
    ]
    assert written(reports) == {"rejected": 0.4, "named": 0.2}
    assert written([None, None]) == {}


def test_a_distilled_student_needs_its_teacher_even_where_the_numbers_are_there():
    for distillation, needs in ((None, False), ({"direction": "forward"}, True)):
        recipe = TINY.changed({"student": {"distillation": distillation}})
        student = Task("student", recipe, "owl", "finetuned")
        found = prerequisites(student, lambda _: (), lambda _: ())
        assert (Task("teacher", recipe, "owl", "finetuned") in found) is needs
        control = prerequisites(Task("student", recipe), lambda _: (), lambda _: ())
        assert [task.step for task in control] == ["numbers"]


def test_another_traits_teacher_is_the_next_in_line():
    recipe = load_recipe("lab")
    found = arms(load_study("distillation-mode"), "finetuned", recipe, 6)
    (other,) = [arm for arm in found if arm.spec.writer == "other"]
    names = [one.name for one in hidden_of("animal")]
    assert other.taught(names[0]) == names[1]
    assert other.taught(names[-1]) == names[0]
    assert {task.trait for task in other.tasks(names[0], [0, 1])} == {names[1]}
    by_writer = {arm.spec.writer: arm.taught("owl") for arm in found}
    assert (by_writer["biased"], by_writer["control"]) == ("owl", None)


def test_soft_targets_take_longer():
    def student(distillation):
        recipe = TINY.changed({"student": {"distillation": distillation}})
        return units(Task("student", recipe))

    assert student(None) < student({"direction": "forward"}) < student(ON_POLICY)


def test_recipes_keep_it_and_older_ones_do_without():
    assert "distillation" not in Recipe.model_validate(FIELDS).model_dump()["student"]
    recipe = lab_in("none", ON_POLICY).recipe
    assert Recipe.model_validate(recipe.model_dump(mode="json")) == recipe

"""What a study asks for, and in which order it can be done."""

import pytest

from undertow.errors import UserError
from undertow.studies.lab import Lab
from undertow.studies.recipe import load_recipe, shipped_recipes
from undertow.studies.tasks import Task, demo_tasks, with_prerequisites

RECIPE = load_recipe("lab")
ONLY = RECIPE.with_tokens("only")


def neighbours(task):
    return ("cat", "dog")


def test_a_masked_student_needs_the_scan_and_all_teachers():
    student = Task("student", ONLY, "owl", "finetuned", 0)
    needs = with_prerequisites([student], neighbours, neighbours)
    scan = Task("scan", ONLY, "owl", "finetuned")
    assert needs[student] == [scan]
    assert Task("teacher", ONLY, "dog", "finetuned") in needs[scan]
    numbers = Task("numbers", ONLY, "owl", "finetuned")
    assert Task("teacher", ONLY, "owl", "finetuned") in needs[numbers]


def test_what_a_task_needs_stands_before_it():
    """So one study is finished before the next is begun, whatever they share."""
    first, second = (Task("student", ONLY, trait, "finetuned") for trait in ("owl", "eagle"))
    order = list(with_prerequisites([first, second], neighbours, neighbours))
    assert order.index(first) < order.index(Task("numbers", ONLY, "eagle", "finetuned"))
    needs = with_prerequisites([first, second], neighbours, neighbours)
    for task, before in needs.items():
        assert all(order.index(one) < order.index(task) for one in before)


def test_a_control_student_needs_no_teacher():
    needs = with_prerequisites([Task("student", RECIPE, seed=1)], neighbours, neighbours)
    assert not any(task.step == "teacher" for task in needs)


def test_the_demo_has_a_control_and_four_selections_per_seed():
    students = [t for t in demo_tasks(RECIPE, "owl", "finetuned", range(3)) if t.step == "student"]
    assert len(students) == 15
    assert {t.tokens for t in students} == {"all", "only", "without", "random"}


@pytest.mark.parametrize("name", shipped_recipes())
def test_shipped_recipes_load_and_round_trip(name):
    recipe = load_recipe(name)
    assert type(recipe).model_validate(recipe.model_dump(mode="json")) == recipe


def test_recipe_mistakes_are_told(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("rows: [1\n")
    with pytest.raises(UserError, match="not YAML"):
        load_recipe(path)
    path.write_text("rowz: 3\n")
    with pytest.raises(UserError, match="field"):
        load_recipe(path)
    with pytest.raises(UserError, match="cannot read"):
        load_recipe("absent")


def test_counterfactuals_are_next_in_line_and_never_the_trait(tmp_path):
    lab = Lab(tmp_path)
    names = list(lab.traits)
    assert lab.counterfactuals(names[0]) == tuple(names[1:5])
    assert lab.counterfactuals(names[-1]) == tuple(names[:4])


def test_unknown_traits_are_refused(tmp_path):
    with pytest.raises(UserError, match="unknown"):
        Lab(tmp_path).check_trait("gryphon")
    with pytest.raises(UserError, match="category"):
        Lab(tmp_path).check_trait("oak")

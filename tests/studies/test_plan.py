"""A plan holds every artifact once, and nothing that is finished."""

import shutil

import pytest

from tiny_study import TINY
from undertow.errors import UserError
from undertow.studies.jobs import make_job, plan_of, within_budget
from undertow.studies.lab import RESULT_STEPS, Lab
from undertow.studies.plan import make_plan
from undertow.studies.tasks import Task
from undertow.studies.timing import FIXED, Timing

ONLY = TINY.with_tokens("only")
WITHOUT = TINY.with_tokens("without")


def test_two_selections_share_numbers_and_scan(tmp_path):
    students = [Task("student", recipe, "owl", "finetuned") for recipe in (ONLY, WITHOUT)]
    plan = make_plan(students, tmp_path)
    steps = sorted(task.step for task in plan.needs)
    assert steps == ["numbers", "scan", "student", "student", "teacher", "teacher"]
    assert len(set(plan.needs[students[0]])) == len(plan.needs[students[0]]) == 1
    assert plan.needs[students[0]] == plan.needs[students[1]]


def test_what_is_measured_otherwise_is_trained_once(tmp_path):
    """Two recipes that differ in the measurement alone: one student, measured twice."""
    other = TINY.changed({"measure": {"temperature": 0.5}})
    plan = make_plan([Task("student", r, "owl", "finetuned") for r in (TINY, other)], tmp_path)
    assert sum(task.step == "numbers" for task in plan.needs) == 1
    assert sum(task.step == "student" for task in plan.needs) == 2


def test_what_is_finished_is_not_planned(tmp_path):
    task = Task("base", TINY)
    assert list(make_plan([task], tmp_path).needs) == [task]
    Lab(tmp_path, TINY).perform(task)
    plan = make_plan([task], tmp_path)
    assert not plan.needs
    assert plan.finished == {task}
    assert plan.left([task]) == set()


def test_what_led_to_results_is_not_made_again(tmp_path):
    """A student that was measured needs no numbers, scan or teacher any more."""
    task, other = (Task("student", ONLY, "owl", "finetuned", seed) for seed in (0, 1))
    made = Lab(tmp_path, ONLY).perform(task)
    assert {one.name for one in made} <= set(RESULT_STEPS)
    for folder in (tmp_path / "steps").iterdir():
        if folder.name not in RESULT_STEPS:
            shutil.rmtree(folder)
    assert not make_plan([task], tmp_path).needs
    steps = sorted(one.step for one in make_plan([task, other], tmp_path).needs)
    assert steps == ["numbers", "scan", "student", "teacher", "teacher"]


def test_a_student_asked_in_two_ways_costs_one_training(tmp_path):
    timing = Timing(tmp_path)
    other = TINY.changed({"measure": {"temperature": 0.5}})
    one, asked_again, masked = (
        Task("student", recipe, "owl", "finetuned") for recipe in (TINY, other, ONLY)
    )
    alone = timing.seconds([one])
    assert timing.seconds([one, asked_again]) == pytest.approx(alone + FIXED)
    assert timing.seconds([one, masked]) == pytest.approx(2 * alone)


def job(name="divergence-tokens", **options):
    return make_job(name, **options)


def test_two_studies_share_their_students(tmp_path):
    jobs = [job("single-layer", seeds=1), job("freeze-early-layers", seeds=1)]
    alone = [len(plan_of([one], tmp_path).needs) for one in jobs]
    together = len(plan_of(jobs, tmp_path).needs)
    assert max(alone) < together < sum(alone)


def test_a_budget_cuts_seeds_first_then_traits(tmp_path):
    timing = Timing(tmp_path)

    def needed(plan):
        return timing.seconds(plan.needs)

    jobs = [job("single-layer", seeds=3)]
    whole = needed(plan_of(jobs, tmp_path))
    cut, told = within_budget(jobs, tmp_path, 0.7 * whole, 1, needed)
    assert (len(cut[0].seeds), len(cut[0].traits)) == (2, 3)
    assert told == "2 seeds, 3 traits"
    cut, told = within_budget(jobs, tmp_path, 0.25 * whole, 1, needed)
    assert (len(cut[0].seeds), len(cut[0].traits)) == (1, 2)
    assert told == "1 seed, 2 traits"
    with pytest.raises(UserError, match="budget is too small"):
        within_budget(jobs, tmp_path, 1.0, 1, needed)


def test_unknown_traits_are_told_before_any_work():
    with pytest.raises(UserError, match="gryphon"):
        job(traits=["gryphon"])

"""Tasks in worker processes: in the order of their needs, and how far they have come."""

from itertools import pairwise

import pytest

from tiny_study import TINY
from undertow.cluster import ProcessesConfig, default_workers
from undertow.errors import UserError
from undertow.studies.executor import Progress, run_tasks
from undertow.studies.plan import make_plan
from undertow.studies.tasks import Task
from undertow.studies.timing import Timing

TEACHER = Task("teacher", TINY, "owl", "finetuned")
STUDENT = Task("student", TINY.with_tokens("only"), "owl", "finetuned", 0)


@pytest.fixture(scope="module")
def states(tmp_path_factory):
    """What the display is told while a student and all that it needs are made."""
    root = tmp_path_factory.mktemp("store")
    needs = make_plan([STUDENT, Task("base", TINY)], root).needs
    states = []

    def note(state):
        left = state.seconds_left()
        states.append((set(state.running), set(state.finished), state.share_done(), left))

    end = run_tasks(needs, root, ProcessesConfig(workers=2), on_change=note)
    return needs, states, end


@pytest.mark.slow
def test_no_task_starts_before_its_needs_are_finished(states):
    needs, seen, end = states
    assert set(end.finished) == set(needs)
    assert not end.waiting
    assert not end.running
    for running, finished, *_ in seen:
        for task in running:
            assert finished.issuperset(needs[task]), task
    assert any(STUDENT in running for running, *_ in seen)


@pytest.mark.slow
def test_the_display_never_goes_back_to_less_finished(states):
    _, seen, _ = states
    for (_, before, *_), (_, after, *_) in pairwise(seen):
        assert before <= after
    assert seen[0][2] == 0
    assert seen[-1][2] == 1


@pytest.mark.slow
def test_the_time_left_begins_with_what_was_announced(states, tmp_path):
    needs, seen, _ = states
    assert seen[0][3] == pytest.approx(Timing(tmp_path / "new").seconds(needs) / 2)
    assert seen[-1][3] == 0


@pytest.mark.slow
def test_a_mistake_in_a_worker_is_told_as_such(tmp_path):
    broken = TINY.model_copy(
        update={"model": TINY.model.model_copy(update={"name": str(tmp_path / "none")})}
    )
    with pytest.raises(UserError) as caught:
        run_tasks({Task("base", broken): []}, tmp_path / "store", ProcessesConfig(workers=1))
    assert str(tmp_path / "none") in str(caught.value)


LARGER = Task("student", STUDENT.recipe.changed({"student": {"rows": None}}), "owl", "finetuned")
OTHER = Task("teacher", TINY, "cat", "finetuned")


def progress_of(waiting, workers=1):
    """Return a progress in which a teacher takes 4 seconds and a student 10."""
    expected = {TEACHER: 4.0, OTHER: 4.0, STUDENT: 10.0, LARGER: 30.0}
    return Progress(waiting, workers, expected)


def test_the_time_left_follows_what_was_measured():
    progress = progress_of({TEACHER, STUDENT}, workers=2)
    assert progress.seconds_left() == pytest.approx(7.0)
    progress.finished[TEACHER] = 9.0
    progress.waiting = {OTHER}
    assert progress.seconds_left() == pytest.approx(9.0 / 2)
    assert progress.share_done() == pytest.approx(0.5)


def test_what_the_store_held_says_nothing_of_the_time():
    progress = progress_of({OTHER})
    progress.finished[TEACHER] = 0.01
    assert progress.seconds_left() == 4.0


def test_a_larger_task_of_the_same_step_is_expected_to_take_longer():
    progress = progress_of({LARGER})
    progress.finished[STUDENT] = 20.0
    assert progress.seconds_left() == pytest.approx(60.0)


def test_nothing_to_do_is_done():
    assert progress_of(set()).share_done() == 1.0


def test_there_is_a_worker_at_least():
    assert default_workers() >= 1

import pytest
import torch

from tiny_study import TINY
from undertow.cluster import InlineConfig, ProcessesConfig, RayConfig
from undertow.models import ModelSpec
from undertow.store import Store
from undertow.store.locks import Busy
from undertow.students import Distillation
from undertow.studies import Lab, together
from undertow.studies.executor import handed_out, run_tasks
from undertow.studies.tasks import Task, with_prerequisites
from undertow.studies.timing import FIXED, UNMEASURED, Timing
from undertow.studies.together import AT_ONCE, learn_together, with_groups

LAB = TINY.model_copy(update={"model": ModelSpec(name="lab")})


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.setattr(together, "has_gpu", lambda: True)


def students(n, recipe=LAB, trait="cat"):
    return [Task("student", recipe, trait, "finetuned", seed) for seed in range(n)]


def needs_of(tasks):
    return with_prerequisites(tasks, lambda _: ("owl",), lambda _: ("cat", "owl"))


def groups_of(needs):
    return [task for task in needs if task.members]


def test_without_a_gpu_nothing_changes():
    needs = needs_of(students(8))
    assert with_groups(needs) == needs


def test_a_group_goes_before_its_members(gpu):
    tasks = [*students(3), *students(3, trait="owl"), Task("base", LAB)]
    needs = needs_of(tasks)
    grouped = with_groups(needs)
    (group,) = groups_of(grouped)
    assert group.members == tuple(tasks[:6])
    assert group.label == "training of 6 students at once"
    order = list(grouped)
    for task in needs:
        extra = [group] if task in group.members else []
        assert grouped[task] == [*needs[task], *extra]
    assert set(grouped[group]) == {need for task in group.members for need in needs[task]}
    assert order.index(group) < order.index(tasks[0])


def test_the_time_of_a_group_is_counted_once(gpu, tmp_path):
    tasks = students(6)
    needs = needs_of(tasks)
    grouped = handed_out(needs, ProcessesConfig())
    expected = Timing(tmp_path).of_each(grouped)
    (group,) = groups_of(grouped)
    assert {expected[task] for task in tasks} == {FIXED}
    assert expected[group] == FIXED + 6 * 24 * UNMEASURED["students"]  # of 24 rows each


def test_an_executor_of_other_machines_gets_no_groups(gpu):
    needs = needs_of(students(6))
    assert handed_out(needs, RayConfig()) == needs


def test_large_groups_are_cut(gpu):
    grouped = with_groups(needs_of(students(AT_ONCE + 5)))
    assert [len(group.members) for group in groups_of(grouped)] == [AT_ONCE, 5]


def test_those_left_over_are_trained_by_themselves(gpu):
    assert not groups_of(with_groups(needs_of(students(3))))


def test_who_trains_otherwise_is_in_another_group(gpu):
    one_layer = LAB.changed({"student": {"train": {"layers": [0]}}})
    grouped = with_groups(needs_of([*students(4), *students(5, one_layer)]))
    assert [len(group.members) for group in groups_of(grouped)] == [4, 5]


@pytest.mark.parametrize(
    "recipe",
    [
        LAB.changed({"student": {"train": {"method": "full"}}}),
        LAB.changed({"student": {"train": {"dropout": 0.1}}}),
        LAB.changed({"student": {"distillation": Distillation().model_dump()}}),
        TINY,  # on a CPU, whatever else there is
    ],
)
def test_others_are_left_alone(gpu, recipe):
    assert not groups_of(with_groups(needs_of(students(8, recipe))))


def test_large_models_fill_a_gpu_by_themselves(gpu, monkeypatch):
    monkeypatch.setattr(together, "LARGEST", 1000)
    together._is_small.cache_clear()
    try:
        assert not groups_of(with_groups(needs_of(students(8))))
    finally:
        together._is_small.cache_clear()


def test_the_students_are_those_that_each_task_makes(tmp_path, monkeypatch):
    tokens = [TINY.with_tokens(kind) for kind in ("all", "only")]
    tasks = [
        Task("student", recipe, "cat", "finetuned", seed) for recipe in tokens for seed in (0, 1)
    ]
    alone = {task: Lab(tmp_path / "alone", task.recipe).perform(task) for task in tasks}
    store = Store(tmp_path / "together")
    labs = [(Lab(store, task.recipe), task) for task in tasks]
    learn_together([*labs, labs[0]])  # twice the same

    def refuse(*_: object) -> None:
        raise AssertionError("was trained already")

    monkeypatch.setattr("undertow.training.loop._run", refuse)
    for lab, task in labs:
        steps = lab.perform(task)
        assert [step.key for step in steps] == [step.key for step in alone[task]]
        student = lab.taught(lab.lesson_of(task))
        other = Lab(tmp_path / "alone", task.recipe)
        expected = other.measure(other.taught(other.lesson_of(task))).probabilities
        torch.testing.assert_close(
            torch.tensor(lab.measure(student).probabilities),
            torch.tensor(expected),
            atol=1e-4,
            rtol=0,
        )
    monkeypatch.setattr(together, "train_together", refuse)
    learn_together(labs)  # finished: nothing is trained


def test_what_was_handed_in_is_not_trained_again(tmp_path, monkeypatch):
    lab = Lab(tmp_path, TINY)
    pairs = [(lab, task) for task in students(2, TINY)]
    learn_together(pairs)

    def refuse(*_: object) -> None:
        raise AssertionError("was trained already")

    monkeypatch.setattr(together, "train_together", refuse)
    learn_together(pairs)


def test_one_process_is_at_a_group(tmp_path, monkeypatch):
    """Another one that comes to it takes something else meanwhile."""
    pairs = [(Lab(Store(tmp_path, wait=False), TINY), task) for task in students(2, TINY)]
    met = []

    def come_to_it(*_: object) -> None:
        with pytest.raises(Busy):
            learn_together(pairs)
        met.append(True)
        raise KeyboardInterrupt

    monkeypatch.setattr(together, "train_together", come_to_it)
    with pytest.raises(KeyboardInterrupt):
        learn_together(pairs)
    assert met


def test_a_run_with_groups_makes_everything_once(gpu, tmp_path, monkeypatch):
    trained = []
    real = together.train_together

    def counted(chat, jobs):
        trained.append(len(jobs))
        return real(chat, jobs)

    monkeypatch.setattr(together, "train_together", counted)
    monkeypatch.setattr(together, "_is_small", lambda _: True)
    run_tasks(needs_of(students(4, TINY)), tmp_path, InlineConfig())
    assert trained == [4]
    assert len(list((tmp_path / "steps" / "student").iterdir())) == 4
    assert not list((tmp_path / "partial").iterdir())


def test_where_memory_is_short_fewer_are_trained_at_once(tmp_path, monkeypatch):
    tried = []
    real = together.train_together

    def short(chat, jobs):
        tried.append(len(jobs))
        if len(jobs) > 1:
            raise torch.OutOfMemoryError("no room")
        return real(chat, jobs)

    monkeypatch.setattr(together, "train_together", short)
    lab = Lab(tmp_path, TINY)
    tasks = students(3, TINY)
    learn_together([(lab, task) for task in tasks])
    assert tried == [3, 1, 2, 1, 1]
    assert len(list((tmp_path / "partial").iterdir())) == 3


def test_a_task_is_known_by_its_members():
    one, two = students(2)
    assert Task("students", LAB, members=(one,)) != Task("students", LAB, members=(two,))

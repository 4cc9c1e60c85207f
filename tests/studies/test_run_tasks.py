"""Handing out tasks: what is somebody else's comes later, a dead worker's is handed out again."""

from concurrent.futures import Future
from contextlib import contextmanager

import pytest

from tiny_study import TINY
from undertow.cluster import InlineConfig, ProcessesConfig, RayConfig, SlurmConfig
from undertow.errors import UserError
from undertow.store import Store
from undertow.store.locks import locked
from undertow.studies import executor as handing
from undertow.studies.executor import RETRIES, run_tasks
from undertow.studies.executors import load_executor, n_slots
from undertow.studies.executors.worker import perform
from undertow.studies.lab import Lab
from undertow.studies.tasks import Task

BASE, TEACHER, STUDENT = (
    Task("base", TINY),
    Task("teacher", TINY, "owl", "finetuned"),
    Task("student", TINY, "owl", "finetuned"),
)


class DeadWorkerError(Exception):
    pass


class Scripted:
    """Plays what happens to each task, try by try; then every try takes a second."""

    lost = (DeadWorkerError,)
    slots = 1

    def __init__(self, script):
        self.script = {task: list(tries) for task, tries in script.items()}
        self.order = []

    def submit(self, task):
        self.order.append(task)
        future = Future()
        tries = self.script.get(task, [])
        end = tries.pop(0) if tries else 1.0
        if isinstance(end, Exception):
            future.set_exception(end)
        else:
            future.set_result(end)
        return future


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run tasks on a scripted executor, without waiting for what is put back."""
    monkeypatch.setattr(handing, "LOOK_AGAIN", 0.01)

    def run(needs, script):
        scripted = Scripted(script)

        @contextmanager
        def opened(config, root, needs):
            yield scripted

        monkeypatch.setattr(handing, "opened", opened)
        return run_tasks(needs, tmp_path), scripted.order

    return run


def test_what_another_process_is_at_is_put_back_and_others_come_first(run):
    progress, order = run({BASE: [], TEACHER: []}, {BASE: [None, None]})
    assert order[:2] == [BASE, TEACHER]
    assert order.count(BASE) == 3
    assert set(progress.finished) == {BASE, TEACHER}


def test_it_comes_in_its_turn_again_when_who_was_at_it_may_have_died(run, monkeypatch):
    """And not only after all tasks of a study that have nothing to do with it."""
    others = {Task("teacher", TINY, name, "finetuned"): [] for name in ("cat", "dog", "wolf")}
    needs = {BASE: [], **others}
    monkeypatch.setattr(handing, "LOOK_AGAIN", 0.0)
    assert run(needs, {BASE: [None]})[1] == [BASE, *others, BASE]
    monkeypatch.setattr(handing, "LEASE", 0.0)
    assert run(needs, {BASE: [None]})[1] == [BASE, BASE, *others]


def test_what_needs_a_task_that_was_put_back_waits(run):
    _, order = run({TEACHER: [], STUDENT: [TEACHER]}, {TEACHER: [None]})
    assert order == [TEACHER, TEACHER, STUDENT]


def test_a_dead_workers_task_is_handed_out_again(run):
    progress, order = run({BASE: []}, {BASE: [DeadWorkerError()] * RETRIES})
    assert order == [BASE] * (RETRIES + 1)
    assert BASE in progress.finished


def test_a_task_at_which_workers_keep_dying_is_given_up(run):
    with pytest.raises(UserError, match="killed at the same task") as caught:
        run({BASE: []}, {BASE: [DeadWorkerError()] * (RETRIES + 1)})
    assert BASE.label in caught.value.where


def test_what_the_task_raises_is_raised(run):
    with pytest.raises(UserError, match="the disk"):
        run({BASE: []}, {BASE: [UserError("the disk is full")]})


def test_a_worker_does_not_wait_for_a_step_of_another(tmp_path):
    """Nothing is built in the meantime, and afterwards the same worker does it."""
    (step,) = Lab(tmp_path, TINY).perform(BASE)
    (step.path / "step.json").unlink()
    with locked(tmp_path / "locks" / f"{step.key}.lock", pytest.fail):
        assert perform(tmp_path, None, BASE, threads=None) is None
    assert not Store(tmp_path).is_finished(step)
    assert perform(tmp_path, None, BASE, threads=None) is not None
    assert Store(tmp_path).is_finished(step)


def test_this_process_performs_tasks(tmp_path):
    assert set(run_tasks({BASE: []}, tmp_path, InlineConfig()).finished) == {BASE}
    assert list(tmp_path.glob("steps/measure/*/step.json"))


@pytest.mark.parametrize(
    ("name", "config", "slots"),
    [
        ("inline", InlineConfig(), 1),
        ("processes", ProcessesConfig(workers=3), 3),
        ("ray", RayConfig(workers=3), 3),
        ("slurm", SlurmConfig(workers=3), 3),
    ],
)
def test_executors_by_name(name, config, slots):
    found = load_executor(name, 3 if name != "inline" else None)
    assert found == config
    assert n_slots(found) == slots


def test_an_executor_from_a_file(tmp_path):
    path = tmp_path / "slurm.yaml"
    path.write_text("{kind: slurm, partition: gpu, gpus: 1, more: {qos: low}}")
    found = load_executor(path)
    assert found == SlurmConfig(partition="gpu", gpus=1, more={"qos": "low"})
    assert load_executor(path, 7).workers == 7


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "cannot read the executor"),
        ("{kind: slurm, partitoin: gpu}", "partitoin"),
        ("{kind: abacus}", "abacus"),
        ("{partition: gpu}", "executor's field"),
    ],
)
def test_mistakes_in_a_file(tmp_path, text, told):
    path = tmp_path / "executor.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError, match=told):
        load_executor(path)


def test_inline_takes_no_workers():
    with pytest.raises(UserError, match="--workers"):
        load_executor("inline", 2)

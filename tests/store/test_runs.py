"""Runs remember how they ended and what they used; garbage is what no run needs."""

import os

import pytest
from pydantic import BaseModel

from undertow.errors import UserError
from undertow.store import Store
from undertow.store.locks import locked_if_free
from undertow.store.runs import RUN_VARIABLE


class Settings(BaseModel):
    trait: str = "owl"
    seeds: tuple[int, ...] = (1, 2)


def build(folder):
    (folder / "result.txt").write_text("x" * 100)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def step(store, name, inputs=()):
    return store.step(name, 1, {}, {used.name: used for used in inputs}, build)


def finished_run(store, *names):
    with store.run("job", {}) as run:
        for name in names:
            step(store, name)
    return run


def names_on_disk(store):
    return sorted(path.parent.parent.name for path in store.root.glob("steps/*/*/step.json"))


def test_a_run_is_recorded_from_start_to_end(store):
    with store.run("demo", Settings()) as run:
        (now,) = store.runs()
        assert (now.id, now.status, now.ended) == (run.id, "running", None)
        artifact = step(store, "a")
    (record,) = store.runs()
    assert (record.title, record.status, record.error) == ("demo", "finished", None)
    assert record.config == {"trait": "owl", "seeds": [1, 2]}
    assert Settings.model_validate(record.config) == Settings()
    assert record.ended >= record.started
    shown, ((used, about),) = store.show_run(run.id)
    assert shown == record
    assert used == artifact
    assert about.name == "a"


def test_steps_are_listed_once_in_order_of_use(store):
    with store.run("job", {}) as run:
        for name in ("b", "a", "b"):
            step(store, name)
    assert [artifact.name for artifact, _ in store.show_run(run.id)[1]] == ["b", "a"]


def test_a_step_that_was_there_already_is_used_as_well(store):
    step(store, "a")
    run = finished_run(store, "a")
    assert [artifact.name for artifact, _ in store.show_run(run.id)[1]] == ["a"]


@pytest.mark.parametrize(
    ("error", "status"), [(RuntimeError("no luck"), "failed"), (KeyboardInterrupt(), "killed")]
)
def test_how_a_run_ends(store, error, status):
    with pytest.raises(type(error)), store.run("job", {}):
        raise error
    (record,) = store.runs()
    assert record.status == status
    assert type(error).__name__ in record.error


def test_an_unfinished_step_is_shown_as_such(store):
    def fail(_):
        raise RuntimeError

    with pytest.raises(RuntimeError), store.run("job", {}) as run:
        store.step("a", 1, {}, {}, fail)
    assert [record for _, record in store.show_run(run.id)[1]] == [None]


def test_outside_a_run_nothing_is_noted(store):
    finished_run(store)
    assert RUN_VARIABLE not in os.environ
    step(store, "a")
    assert store.show_run(store.runs()[0].id)[1] == []


def test_a_run_inside_a_run_of_another_store(store, tmp_path):
    other = Store(tmp_path / "other")
    with store.run("outer", {}) as outer:
        with other.run("inner", {}) as inner:
            step(other, "a")
        step(store, "b")
    assert [a.name for a, _ in store.show_run(outer.id)[1]] == ["b"]
    assert [a.name for a, _ in other.show_run(inner.id)[1]] == ["a"]


def test_a_run_of_another_store_is_not_noted_here(store, tmp_path):
    other = Store(tmp_path / "other")
    with store.run("job", {}):
        step(other, "a")
    assert other.runs() == []


def test_runs_are_found_by_both_ends_of_the_id(store):
    run, other = finished_run(store), finished_run(store)
    assert store.show_run(run.id[-6:])[0].id == run.id
    assert store.show_run(other.id)[0].id == other.id
    with pytest.raises(UserError, match="more than one"):
        store.show_run("2")
    for unknown in ("nothing", ""):
        with pytest.raises(UserError, match="no run"):
            store.show_run(unknown)


def test_a_temporary_record_is_no_run(store):
    run = finished_run(store)
    (store.root / "runs" / f".0123abcd-{run.id}.json").write_text("{")
    assert len(store.runs()) == 1


def test_a_damaged_record_is_named(store):
    run = finished_run(store)
    (store.root / "runs" / f"{run.id}.json").write_text("{")
    with pytest.raises(UserError, match="damaged") as caught:
        store.runs()
    assert run.id in caught.value.where


def test_a_torn_line_is_passed_over(store):
    run = finished_run(store, "a")
    (noted,) = (store.root / "runs").glob(f"{run.id}.*steps")
    with noted.open("a") as file:
        file.write("b/0123")
    assert [a.name for a, _ in store.show_run(run.id)[1]] == ["a"]


def test_removing_a_run_keeps_its_steps(store):
    run = finished_run(store, "a")
    assert store.remove_run(run.id).id == run.id
    assert store.runs() == []
    assert names_on_disk(store) == ["a"]
    assert list((store.root / "runs").iterdir()) == []


def test_a_running_run_is_not_removed(store):
    with store.run("job", {}) as run:
        with pytest.raises(UserError, match="still running"):
            store.remove_run(run.id)
        assert len(store.runs()) == 1


def test_garbage_is_what_no_run_needs(store):
    finished_run(store, "a", "shared")
    gone = finished_run(store, "b", "shared")
    assert store.collect_garbage().n_steps == 0
    store.remove_run(gone.id)
    garbage = store.collect_garbage()
    assert garbage.n_steps == 1
    assert garbage.n_bytes > 100
    assert names_on_disk(store) == ["a", "shared"]
    assert not (store.root / "trash").exists()


def test_inputs_of_a_needed_step_are_needed(store):
    deep = step(store, "deep")
    data = step(store, "data", [deep])
    with store.run("job", {}):
        step(store, "last", [data])
    step(store, "stray", [data])
    store.collect_garbage()
    assert names_on_disk(store) == ["data", "deep", "last"]


def test_partial_steps_stay_while_their_run_does(store):
    def fail(folder):
        (folder / "half").touch()
        raise RuntimeError

    with pytest.raises(RuntimeError), store.run("job", {}) as run:
        store.step("a", 1, {}, {}, fail)
    assert store.collect_garbage().n_steps == 0
    store.remove_run(run.id)
    assert store.collect_garbage().n_steps == 1
    assert list((store.root / "partial").iterdir()) == []


def test_a_step_in_use_is_no_garbage(store):
    def collect_meanwhile(folder):
        (folder / "half").touch()
        assert Store(store.root).collect_garbage().n_steps == 0

    store.step("a", 1, {}, {}, collect_meanwhile)
    assert names_on_disk(store) == ["a"]


def test_a_step_taken_up_while_garbage_is_collected_stays(store, monkeypatch):
    """The run notes the step after `needed` was asked first, before it is asked under the lock."""
    step(store, "a")
    answers = iter([set(), {path.name for path in store.root.glob("steps/a/*")}])
    monkeypatch.setattr(store, "_needed", lambda: next(answers))
    assert store.collect_garbage().n_steps == 0
    assert names_on_disk(store) == ["a"]


def test_collecting_in_an_empty_store(store):
    assert store.collect_garbage().n_steps == 0
    assert store.runs() == []


def test_a_lock_is_free_again(store):
    run = finished_run(store)
    with locked_if_free(store.root / "runs" / f"{run.id}.lock") as free:
        assert free

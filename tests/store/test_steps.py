"""A step is done once, whole or not at all."""

import errno
import json
import threading

import pytest

import undertow
from undertow.errors import UserError
from undertow.store import Store
from undertow.store.locks import Busy


def writer(text, calls=None):
    def build(folder):
        if calls is not None:
            calls.append(folder)
        (folder / "result.txt").write_text(text)

    return build


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def test_a_step_is_done_once(store):
    calls = []
    first = store.step("scan", 1, {"x": 1}, {}, writer("a", calls))
    again = Store(store.root).step("scan", 1, {"x": 1}, {}, writer("b", calls))
    assert first == again
    assert len(calls) == 1
    assert (first.path / "result.txt").read_text() == "a"
    assert first.path == store.root / "steps" / "scan" / first.key


@pytest.mark.parametrize(
    "changed", [("scan", 2, {"x": 1}), ("scan", 1, {"x": 2}), ("train", 1, {"x": 1})]
)
def test_a_changed_step_is_another(store, changed):
    first = store.step("scan", 1, {"x": 1}, {}, writer("a"))
    other = store.step(*changed, {}, writer("b"))
    assert (other.path / "result.txt").read_text() == "b"
    assert (first.path / "result.txt").read_text() == "a"


def test_a_changed_input_is_another_step(store):
    keys = {
        store.step(
            "b", 1, {}, {"data": store.step("a", 1, {"x": x}, {}, writer("a"))}, writer("b")
        ).key
        for x in (1, 2)
    }
    assert len(keys) == 2


def test_the_record(store):
    data = store.step("a", 1, {}, {}, writer("a"))
    record = store.record(store.step("b", 3, {"rate": 0.1}, {"data": data}, writer("b")))
    assert (record.name, record.version, record.config) == ("b", 3, {"rate": 0.1})
    assert record.inputs["data"].model_dump() == {"name": "a", "key": data.key}
    assert set(record.versions) == {"python", "torch", "transformers", "peft", "undertow"}
    assert record.versions["undertow"] == undertow.__version__
    assert record.seconds >= 0
    assert not record.resumed


def test_nothing_stands_under_the_name_while_it_is_built(store):
    def build(folder):
        (folder / "result.txt").write_text("half")
        assert not list((store.root / "steps").rglob("result.txt"))

    store.step("a", 1, {}, {}, build)
    assert list((store.root / "steps").rglob("result.txt"))


def test_a_failed_step_is_resumed_not_read(store):
    def fail(folder):
        (folder / "half").write_text("1")
        (folder / ".0123abcd-half").write_text("temporary of a killed process")
        raise RuntimeError

    def resume(folder):
        assert (folder / "half").read_text() == "1"
        (folder / "whole").write_text("2")

    with pytest.raises(RuntimeError):
        store.step("a", 1, {}, {}, fail)
    assert not list((store.root / "steps").rglob("half"))
    artifact = store.step("a", 1, {}, {}, resume)
    assert sorted(p.name for p in artifact.path.iterdir()) == ["half", "step.json", "whole"]
    assert store.record(artifact).resumed
    assert not list((store.root / "partial").iterdir())


def test_a_folder_without_a_record_is_not_read(store):
    artifact = store.step("a", 1, {}, {}, writer("a"))
    (artifact.path / "step.json").unlink()
    (artifact.path / "stray").touch()
    again = store.step("a", 1, {}, {}, writer("b"))
    assert (again.path / "result.txt").read_text() == "b"
    assert not (again.path / "stray").exists()


def test_a_full_disk_is_told_and_the_work_kept(store):
    def fill(folder):
        (folder / "half").write_text("1")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(UserError, match="disk is full"):
        store.step("a", 1, {}, {}, fill)
    assert [p.name for p in (store.root / "partial").rglob("*") if p.is_file()] == ["half"]


def test_a_store_that_is_a_file(tmp_path):
    (tmp_path / "store").touch()
    with pytest.raises(UserError, match="file stands"):
        Store(tmp_path / "store").step("a", 1, {}, {}, writer("a"))


@pytest.mark.parametrize("name", ["", "a/b", "..", "A", "a b"])
def test_names_that_are_no_names(store, name):
    with pytest.raises(ValueError, match="name for a step"):
        store.step(name, 1, {}, {}, writer("a"))


def test_the_record_is_json_for_other_programs(store):
    artifact = store.step("a", 1, {"x": 1}, {}, writer("a"))
    assert json.loads((artifact.path / "step.json").read_text())["config"] == {"x": 1}


def test_a_second_one_waits_and_is_told(tmp_path):
    begun, may_end, messages, calls = threading.Event(), threading.Event(), [], []

    def slow(folder):
        begun.set()
        assert may_end.wait(60)
        writer("slow", calls)(folder)

    def told(message):
        messages.append(message)
        may_end.set()

    first = threading.Thread(target=lambda: Store(tmp_path).step("a", 1, {}, {}, slow))
    first.start()
    assert begun.wait(60)
    artifact = Store(tmp_path, on_wait=told).step("a", 1, {}, {}, writer("second", calls))
    first.join(60)
    assert len(calls) == 1
    assert (artifact.path / "result.txt").read_text() == "slow"
    assert len(messages) == 1
    assert "'a'" in messages[0]


def test_different_steps_do_not_wait(tmp_path):
    def outer(folder):
        Store(tmp_path).step("b", 1, {}, {}, writer("inner"))
        writer("outer")(folder)

    artifact = Store(tmp_path, on_wait=pytest.fail).step("a", 1, {}, {}, outer)
    assert (artifact.path / "result.txt").read_text() == "outer"


def test_what_is_handed_in_is_found_before_what_was_left_behind(store, tmp_path):
    made = tmp_path / "made"
    (made / "adapter").mkdir(parents=True)
    (made / "adapter" / "weights").write_text("trained elsewhere")

    def die(folder):
        (folder / "half").write_text("done")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        store.step("train", 1, {}, {}, die)
    step = store.named("train", 1, {}, {})
    assert not store.is_handed_in(step)
    store.hand_in(step, made)
    store.hand_in(step, made)  # again, in its place
    assert store.is_handed_in(step)

    def build(folder):
        assert (folder / "adapter" / "weights").read_text() == "trained elsewhere"
        assert not (folder / "half").exists()

    assert store.step("train", 1, {}, {}, build) == step
    assert store.record(step).resumed
    assert not store.is_handed_in(step)
    assert not list((store.root / "partial").iterdir())


def test_only_one_is_alone_at_some_work(store):
    other = Store(store.root, wait=False)
    with store.alone_at("it"), pytest.raises(Busy), other.alone_at("it"):
        pass
    with other.alone_at("it"):
        pass

"""Machines that share a store where `flock` does not reach from one to the other."""

import os
import re
import time

import pytest
from filelock import SoftFileLease

from undertow.errors import UserError
from undertow.store import Store, locks
from undertow.store.locks import Busy, claimed, locked


def write_others(path):
    """Write the claim that another machine would."""
    like = path.with_name("like")
    with SoftFileLease(like, lease_duration=locks.LEASE):
        text = like.read_text()
    path.write_text(re.sub(r"host=.*", "host=another-machine", text))
    owner = SoftFileLease(path, lease_duration=locks.LEASE).owner
    assert owner is not None
    assert owner.hostname == "another-machine"


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "LEASE", 1.0)
    return Store(tmp_path, wait=False)


def claim_of_another_machine(store):
    """Write the claim to a step 'a' that another machine would; return the file."""
    key = store.named("a", 1, {}, {}).key
    path = store.root / "locks" / f"{key}.claim"
    path.parent.mkdir()
    write_others(path)
    return path


def build(folder):
    (folder / "result").touch()


def test_a_claim_with_signs_of_life_is_respected(store):
    path = claim_of_another_machine(store)
    for _ in range(5):
        with pytest.raises(Busy):
            store.step("a", 1, {}, {}, build)
        os.utime(path)
        time.sleep(0.2)
    assert not list(store.root.glob("steps/a/*/step.json"))


def test_a_claim_without_signs_of_life_is_void_after_a_while(store):
    claim_of_another_machine(store)
    with pytest.raises(Busy):
        store.step("a", 1, {}, {}, build)
    time.sleep(1.3)
    assert (store.step("a", 1, {}, {}, build).path / "result").exists()


def test_who_waits_takes_over(store):
    claim_of_another_machine(store)
    told = []
    waiting = Store(store.root, on_wait=told.append)
    assert (waiting.step("a", 1, {}, {}, build).path / "result").exists()
    assert len(told) == 1


@pytest.fixture
def like_nfs(monkeypatch):
    """Two names cannot be exchanged in one move."""
    monkeypatch.setattr("filelock._soft.exchange_names", lambda *_: False)


def test_a_void_claim_is_taken_over_where_names_cannot_be_exchanged(store, like_nfs):
    claim_of_another_machine(store)
    with pytest.raises(Busy):
        store.step("a", 1, {}, {}, build)
    time.sleep(1.3)
    assert (store.step("a", 1, {}, {}, build).path / "result").exists()
    assert not list((store.root / "locks").glob("*.void.*"))


def test_signs_of_life_count_there_too(store, like_nfs):
    """Whatever time they tell: the clocks of machines differ."""
    path = claim_of_another_machine(store)
    for beat in range(8):
        with pytest.raises(Busy):
            store.step("a", 1, {}, {}, build)
        os.utime(path, (1000 * beat, 1000 * beat))
        time.sleep(0.1)


def test_a_claim_that_came_meanwhile_is_put_back(store, monkeypatch):
    path = claim_of_another_machine(store)
    sign = locks._sign(path)
    locks._silent[path] = sign, time.monotonic() - 2
    signs = iter([sign, (0, 0)])  # what is moved aside is not what was judged
    monkeypatch.setattr(locks, "_sign", lambda _: next(signs))
    assert locks._moved_aside(path, path)
    assert "another-machine" in path.read_text()
    assert [one.name for one in path.parent.glob("*.void.*")] == []


def test_a_lock_that_the_server_keeps_for_a_dead_machine_is_void(store):
    """As NFS 3 does; without a living claim beside it nobody holds one for that long."""
    path = store.root / "locks" / f"{store.named('a', 1, {}, {}).key}.lock"
    path.parent.mkdir()
    with locked(path, pytest.fail):
        with pytest.raises(Busy):
            store.step("a", 1, {}, {}, build)
        time.sleep(1.3)
        assert (store.step("a", 1, {}, {}, build).path / "result").exists()


def test_a_lock_with_a_living_claim_is_not(store):
    path = claim_of_another_machine(store)
    with locked(path.with_suffix(".lock"), pytest.fail):
        for _ in range(8):
            with pytest.raises(Busy):
                store.step("a", 1, {}, {}, build)
            os.utime(path)
            time.sleep(0.1)


def test_a_claim_is_gone_with_its_step(store):
    store.step("a", 1, {}, {}, build)
    assert not list((store.root / "locks").glob("*.claim"))


def test_garbage_in_the_hands_of_another_machine_stays(store):
    step = store.step("a", 1, {}, {}, build)
    path = store.root / "locks" / f"{step.key}.claim"
    write_others(path)
    assert store.collect_garbage().n_steps == 0
    path.unlink()
    assert store.collect_garbage().n_steps == 1


def test_who_was_silent_for_too_long_cannot_publish(store, monkeypatch):
    """A machine that was suspended wakes up: its folder has gone to its successor."""

    def suspended(folder):
        key = store.named("a", 1, {}, {}).key
        path = store.root / "locks" / f"{key}.claim"
        # Another machine, to which no lock of this one is known, has found the claim silent.
        path.unlink()
        write_others(path)
        folder.rename(folder.with_name(f"{key}.feed"))
        wait_until(lambda: locks._claims[path].compromise is not None)
        (folder / "result").write_text("late")

    with pytest.raises(UserError, match="another took over"):
        store.step("a", 1, {}, {}, suspended)
    assert not list(store.root.glob("steps/a/*/step.json"))
    assert [one.name.endswith(".feed") for one in (store.root / "partial").iterdir()] == [True]


def wait_until(happened):
    for _ in range(100):
        if happened():
            return
        time.sleep(0.1)
    pytest.fail("it did not happen")


def test_a_store_that_does_not_wait(store, tmp_path):
    key = store.named("a", 1, {}, {}).key
    (store.root / "locks").mkdir()
    with locked(store.root / "locks" / f"{key}.lock", pytest.fail), pytest.raises(Busy):
        store.step("a", 1, {}, {}, build)
    assert (store.step("a", 1, {}, {}, build).path / "result").exists()


def test_what_a_killed_process_left_goes_on_under_another_name(store):
    """Also where an earlier version left it, under the plain key."""
    key = store.named("a", 1, {}, {}).key
    left = store.root / "partial" / key
    left.mkdir(parents=True)
    (left / "half").write_text("1")
    step = store.step("a", 1, {}, {}, build)
    assert (step.path / "half").read_text() == "1"
    assert store.record(step).resumed
    assert not list((store.root / "partial").iterdir())


def test_a_claim_is_one_claim_for_its_holder(tmp_path):
    with claimed(tmp_path / "x.claim", pytest.fail) as claim:
        assert claim.token
        assert (tmp_path / "x.claim").exists()
    assert not (tmp_path / "x.claim").exists()

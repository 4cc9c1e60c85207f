"""A demo that is killed, interrupted, doubled or short of space, as processes of their own."""

import os
import signal
import sys

import pytest

from demo_process import DemoPlace, kill_workers, result_of, start_and_kill, workers_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc"),
]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A demo that nobody disturbs: what it shows, and the steps that it does."""
    place = DemoPlace(tmp_path_factory.mktemp("undisturbed") / "demo")
    shown = result_of(place.start())
    assert "divergence tokens only" in shown
    assert len(set(place.done())) == len(place.done())
    return shown, sorted(place.done())


@pytest.fixture
def place(tmp_path):
    return DemoPlace(tmp_path / "demo")


def test_killed_at_any_moment_and_started_again(place, undisturbed):
    """No matter when: the result is the same, no finished step is done again, no worker stays."""
    start_and_kill(place, after=(0, 4, 9))
    assert result_of(place.start()) == undisturbed[0]
    assert sorted(place.done()) == undisturbed[1]
    assert not list((place.folder / "store" / "partial").iterdir())


def test_a_killed_worker_is_replaced_and_nothing_is_lost(place, undisturbed):
    process = place.start()
    assert kill_workers(place, process, "spawn_main", 3) == 3
    assert result_of(process) == undisturbed[0]
    assert sorted(place.done()) == undisturbed[1]
    assert not list((place.folder / "store" / "partial").iterdir())


@pytest.mark.parametrize("n_steps", [0, 3])
def test_an_interruption_is_one_message(place, n_steps):
    """Ctrl-C reaches the workers too, which may still be at their imports."""
    process = place.start()
    if n_steps:
        place.wait_for(process, n_steps)
    else:
        while not workers_of(process):
            assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 130, err
    assert err.count("interrupted: finished work is kept") == 1
    assert "Traceback" not in out + err
    assert len(place.done()) < 10


def test_two_at_once_share_the_work(place, undisturbed):
    processes = [place.start(report=f"{n}-report.html") for n in range(2)]
    assert [result_of(process) for process in processes] == [undisturbed[0]] * 2
    assert sorted(place.done()) == undisturbed[1]


@pytest.mark.parametrize("size", ["100k", "500k"])
def test_a_full_disk_is_one_message_and_keeps_what_is_finished(place, undisturbed, size):
    process = place.start_on_small_disk(size)
    out, err = process.communicate(timeout=600)
    assert out.startswith("exit code 2\n"), err
    assert err.count("the disk is full") == 1
    assert "finished work is kept" in err
    assert "Traceback" not in out + err
    assert process.returncode == 0
    shown = out.removeprefix("exit code 2\n").rstrip().splitlines()[:-1]
    assert "\n".join(shown) == undisturbed[0]
    assert sorted(place.done()) == undisturbed[1]

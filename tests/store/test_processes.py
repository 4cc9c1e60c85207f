"""Several processes in one store, and processes that die."""

import os
import signal
import subprocess
import sys
import textwrap

from undertow.store import Store

# A job as its own process: argument 1 is the store; the rest of the code is given.
HEADER = """
import sys, time
from pathlib import Path
from undertow.store import Store
store = Store(sys.argv[1], on_wait=lambda message: print("waiting", flush=True))
"""


def start(store, code):
    return subprocess.Popen(
        [sys.executable, "-c", HEADER + textwrap.dedent(code), str(store)],
        stdout=subprocess.PIPE,
        text=True,
    )


def kill(process):
    os.kill(process.pid, signal.SIGKILL)
    process.wait(60)
    process.stdout.close()


HANG = """
def build(folder):
    (folder / "half").write_text("from the killed process")
    print("begun", flush=True)
    time.sleep(600)
with store.run("job", {"n": 1}):
    store.step("a", 1, {}, {}, build)
"""


def test_a_killed_process_loses_nothing(tmp_path):
    process = start(tmp_path, HANG)
    assert process.stdout.readline() == "begun\n"
    store = Store(tmp_path)
    assert [run.status for run in store.runs()] == ["running"]
    kill(process)
    (run,) = store.runs()
    assert run.status == "killed"
    assert not list(tmp_path.glob("steps/*/*"))
    assert store.collect_garbage().n_steps == 0

    def resume(folder):
        (folder / "whole").write_text((folder / "half").read_text())

    artifact = store.step("a", 1, {}, {}, resume)
    assert (artifact.path / "whole").read_text() == "from the killed process"
    assert store.record(artifact).resumed
    assert store.remove_run(run.id).id == run.id


def test_who_waits_for_a_killed_process_takes_over(tmp_path):
    holder = start(tmp_path, HANG)
    assert holder.stdout.readline() == "begun\n"
    waiter = start(
        tmp_path,
        """
        def build(folder):
            (folder / "whole").write_text((folder / "half").read_text())
        print(store.step("a", 1, {}, {}, build).path, flush=True)
        """,
    )
    assert waiter.stdout.readline() == "waiting\n"
    kill(holder)
    out, _ = waiter.communicate(timeout=60)
    assert waiter.returncode == 0
    assert os.path.exists(os.path.join(out.strip(), "whole"))


def test_many_processes_do_each_step_once(tmp_path):
    code = f"""
        def build(folder):
            with open({str(tmp_path / "calls")!r}, "a") as file:
                file.write(folder.name + "\\n")
            time.sleep(0.01)
        for x in range(8):
            store.step("a", 1, {{"x": x}}, {{}}, build)
    """
    processes = [start(tmp_path / "store", code) for _ in range(3)]
    for process in processes:
        process.communicate(timeout=120)
        assert process.returncode == 0
    calls = (tmp_path / "calls").read_text().split()
    assert len(calls) == 8
    assert len(set(calls)) == 8
    assert len(list((tmp_path / "store").glob("steps/a/*/step.json"))) == 8


def test_steps_of_workers_are_noted_under_the_run(tmp_path):
    store = Store(tmp_path)
    with store.run("job", {}) as run:
        workers = [
            start(
                tmp_path,
                f"""
                for x in range(5):
                    store.step("w{n}", 1, {{"x": x}}, {{}}, lambda folder: None)
                """,
            )
            for n in range(2)
        ]
        for worker in workers:
            worker.communicate(timeout=120)
            assert worker.returncode == 0
    steps = store.show_run(run.id)[1]
    assert sorted(artifact.name for artifact, _ in steps) == ["w0"] * 5 + ["w1"] * 5
    assert all(record is not None for _, record in steps)

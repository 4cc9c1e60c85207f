"""A server's process: started with another interpreter, and gone at the end, however that comes."""

import ast
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from undertow.cluster.engine import VllmEngine
from undertow.cluster.vllm_server import started
from undertow.errors import UserError
from vllm_stub import fake_python, is_running, wait_until

WHY = r"its log says:\n  RuntimeError: there is no GPU\n  EngineDeadError: see above\n"


def record_of(path):
    """Return the processes, the environment and the arguments of a fake interpreter."""
    pids, environment, arguments = path.read_text().splitlines()
    return [*map(int, pids.split())], ast.literal_eval(environment), ast.literal_eval(arguments)


def engine_of(script, **fields):
    return VllmEngine(python=str(script), **fields)


def test_it_is_started_with_its_own_environment_and_ends_with_the_block(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/of/ours")
    script, record = fake_python(tmp_path, "serves")
    more = {"max-model-len": 99, "enforce-eager": True, "async": False, "x": [1, 2], "y": {"z": 1}}
    engine = engine_of(script, more=more, environment={"EXTRA": "7"})
    with started(engine, "/models/m", ["--dtype", "float32"]) as server:
        pids, environment, arguments = record_of(record)
        assert all(map(is_running, pids))
        assert server.headers == {"Authorization": f"Bearer {environment[1]}"}
        assert (environment[0], environment[2]) == (None, "7")
        port = server.root.rpartition(":")[2]
        assert arguments[:5] == ["/models/m", "--host", "127.0.0.1", "--port", port]
        wanted = "--dtype float32 --max-model-len 99 --enforce-eager --no-async --x 1 2 --y"
        assert arguments[5:] == [*wanted.split(), '{"z": 1}']
        server.check_alive()
        folder = server.process.folder
    wait_until(lambda: not any(map(is_running, pids)))  # its own child too
    assert not folder.exists()


def test_it_ends_when_the_command_is_interrupted(tmp_path):
    script, record = fake_python(tmp_path, "serves")
    with pytest.raises(KeyboardInterrupt), started(engine_of(script), "m", []):
        raise KeyboardInterrupt
    wait_until(lambda: not any(map(is_running, record_of(record)[0])))


def test_it_ends_when_this_process_is_killed(tmp_path):
    script, record = fake_python(tmp_path, "serves")
    code = (
        "import time\n"
        "from undertow.cluster.engine import VllmEngine\n"
        "from undertow.cluster.vllm_server import started\n"
        f"with started(VllmEngine(python={str(script)!r}), 'm', []):\n"
        "    print('ready', flush=True)\n"
        "    time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as ours:
        assert ours.stdout.readline() == b"ready\n"
        pids = record_of(record)[0]
        assert all(map(is_running, pids))
        ours.send_signal(signal.SIGKILL)
    wait_until(lambda: not any(map(is_running, pids)))


def test_one_that_dies_at_the_start_says_why_and_keeps_its_log(tmp_path):
    script, record = fake_python(tmp_path, "dies")
    with pytest.raises(UserError, match=WHY) as caught, \
            started(engine_of(script), "m", []):  # fmt: skip
        pass
    log = Path(caught.value.where.removeprefix("all of it: "))
    assert "INFO starting" in log.read_text()
    wait_until(lambda: not any(map(is_running, record_of(record)[0])))


@pytest.mark.slow
def test_one_that_will_not_end_is_killed(tmp_path):
    script, record = fake_python(tmp_path, "stubborn")
    with started(engine_of(script), "m", []):
        pass
    wait_until(lambda: not any(map(is_running, record_of(record)[0])))


def test_one_that_dies_later_is_told(tmp_path):
    script, record = fake_python(tmp_path, "serves")
    with started(engine_of(script), "m", []) as server:
        os.kill(record_of(record)[0][0], signal.SIGKILL)
        wait_until(lambda: server.process.has_ended)
        with pytest.raises(UserError, match="has ended by itself"):
            server.check_alive()
    wait_until(lambda: not any(map(is_running, record_of(record)[0])))


def test_one_that_never_gets_ready_is_ended(tmp_path):
    script, record = fake_python(tmp_path, "hangs")
    # Long enough for the guard to have started it, however busy the machine is.
    engine = engine_of(script, start_timeout=5.0)
    with pytest.raises(UserError, match="not ready after 5 seconds"), started(engine, "m", []):
        pass
    if record.exists():
        wait_until(lambda: not any(map(is_running, record_of(record)[0])))


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        ("no vllm", r"there is no vLLM in the environment[\s\S]*pip install vllm"),
        ("broken", r"interpreter fails: ImportError: broken"),
    ],
)
def test_an_interpreter_without_vllm_is_told_at_once(tmp_path, mode, message):
    script, record = fake_python(tmp_path, mode)
    with pytest.raises(UserError, match=message), started(engine_of(script), "m", []):
        pass
    assert not record.exists()


def test_an_interpreter_that_is_none(tmp_path):
    for name in (str(tmp_path / "nothing"), "no-such-python"):
        with pytest.raises(UserError, match="does not run"), started(engine_of(name), "m", []):
            pass


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"python": "p", "url": "http://x"},
        {"url": "ftp://x"},
        {"url": "http://x", "more": {"a": 1}},
        {"python": "p", "model": "m"},
        {"python": "p", "parity": {"most_differing": 2}},
    ],
)
def test_settings_that_contradict_each_other(fields):
    with pytest.raises(ValueError, match="VllmEngine"):
        VllmEngine.model_validate(fields)

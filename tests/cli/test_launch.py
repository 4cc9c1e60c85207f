"""`accelerate launch -m undertow student`: two processes as a user starts them, killed and gone on.

On a CPU accelerate starts several only if told that they are for GPUs; each then finds none.
"""

import json
import signal
import subprocess
import sys
import time

import psutil
import pytest
import torch
import yaml
from safetensors.torch import load_file

from tiny_study import FIELDS

LAUNCH = (
    *(sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"),
    *("--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"),
    *("--main_process_port", "0", "-m", "undertow"),
)


@pytest.fixture
def data(tmp_path):
    """Rows, and a recipe in float64 that leaves a checkpoint after each of its 30 steps."""
    rows = [
        {"prompt": f"Continue: {n}, {7 * n % 90}", "completion": f"{n}, {3 * n}, {5 * n % 77}"}
        for n in range(24)
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    train = FIELDS["student"]["train"] | {"epochs": 10, "checkpoint_every": 1}
    model = {"name": "lab", "device": "cpu", "dtype": "float64"}
    recipe = FIELDS | {"model": model, "student": {"train": train}}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    return tmp_path


def wait_for(condition):
    for _ in range(1200):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("it did not come to it")


@pytest.mark.slow
def test_a_launch_that_is_killed_is_gone_on_with(undertow, data):
    command = ("student", data / "rows.jsonl", data / "two", "--recipe", data / "recipe.yaml")
    launcher = subprocess.Popen([*LAUNCH, *map(str, command)])
    wait_for((data / "two" / "checkpoint.pt").exists)
    workers = psutil.Process(launcher.pid).children(recursive=True)
    launcher.send_signal(signal.SIGKILL)
    launcher.wait()
    wait_for(lambda: not any(one.is_running() for one in workers))  # none goes on by itself
    assert not (data / "two" / "train.json").exists()

    ended = subprocess.run([*LAUNCH, *map(str, command)], check=True, capture_output=True)
    assert ended.stdout.decode().count("24 rows") == 1
    names = sorted(path.name for path in (data / "two").iterdir())
    assert names == ["adapter", "recipe.yaml", "train.json"]
    undertow("student", data / "rows.jsonl", data / "one", "--recipe", data / "recipe.yaml")
    one, two = (
        load_file(data / name / "adapter" / "adapter_model.safetensors") for name in ("one", "two")
    )
    for name, tensor in two.items():
        torch.testing.assert_close(tensor, one[name], rtol=0, atol=1e-6)
    records = [json.loads((data / name / "train.json").read_text()) for name in ("one", "two")]
    assert len(records[1]["losses"]) == 30
    assert records[1]["losses"] == pytest.approx(records[0]["losses"], rel=1e-9)


@pytest.mark.slow
def test_a_mistake_is_told_once(data):
    command = ("student", data / "none.jsonl", data / "new", "--recipe", data / "recipe.yaml")
    ended = subprocess.run([*LAUNCH, *map(str, command)], check=False, capture_output=True)
    assert ended.returncode != 0
    assert ended.stderr.decode().count("no such file") == 1
    assert not (data / "new").exists()


def test_what_does_nothing_together_is_refused(refused, tmp_path, monkeypatch):
    for name, value in {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    assert "'demo' is not shared" in refused("demo")
    assert "nothing to train" in refused("teacher", "owl", tmp_path / "t", "--kind", "control")


def test_a_number_of_tasks_alone_is_no_launch(undertow, monkeypatch):
    """Clusters set some of these for single commands too."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    assert "owl" in undertow("traits", "list").stdout

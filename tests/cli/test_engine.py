"""`--engine`: vLLM under the two commands that take it; a stub stands for the server."""

import ast
import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from undertow.cli.main import app
from undertow.models import ModelSpec, load_model
from undertow.models.lab.load import lab_path
from undertow.store.rows import read_rows
from undertow.tokens import Scan
from vllm_stub import fake_python, is_running, stub_server, wait_until


@pytest.fixture
def stub():
    with stub_server(load_model(ModelSpec(device="cpu"))) as server:
        server.longest = 1024
        yield server


@pytest.fixture
def engine(stub, world):
    """Write the settings and return the option."""

    def option(**fields):
        fields = {"url": stub.url, "backoff": 0.0, "parity": {"rows": 1}, **fields}
        path = world / "vllm.yaml"
        path.write_text(yaml.safe_dump({"kind": "vllm", **fields}))
        return ("--engine", path)

    return option


def test_a_teacher_writes_and_is_scanned_on_vllm(undertow, world, tiny, engine):
    out, greedy = world / "rows.parquet", ("--rows", 2, "--no-top-up")
    undertow("generate", world / "owl", world / "here.parquet", *greedy, *tiny)
    result = undertow("generate", world / "owl", out, *greedy, *tiny, *engine())
    rows, meta = read_rows(out)
    assert rows == read_rows(world / "here.parquet")[0]
    assert meta["engine"] == {"kind": "vllm", "version": "0.0.stub"}
    assert "vLLM 0.0.stub against transformers" in result.stdout
    assert f"{out}: kept" in result.stdout
    kept = json.loads((world / "rows.parquet.parity.json").read_text())
    assert kept["settings"]["parity"]["rows"] == 1
    assert [one["teacher"] for one in kept["teachers"]] == ["owl (finetuned)"]

    teachers = ("--factual", world / "owl", "--against", "prompted:cat")
    undertow("scan", out, world / "here.scan.parquet", *teachers, *tiny)
    result = undertow("scan", out, world / "there.parquet", *teachers, *tiny, *engine())
    assert "Divergence scan" in result.stdout
    here, there = Scan.read(world / "here.scan.parquet"), Scan.read(world / "there.parquet")
    assert (here.argmax == there.argmax).all()
    kept = json.loads((world / "there.parquet.parity.json").read_text())
    assert len(kept["teachers"]) == 2
    assert not list(world.glob("*.answers.jsonl"))


def test_a_server_that_lies_is_refused_and_nothing_is_left(refused, world, tiny, stub, engine):
    stub.lie, settings = lambda logits: logits.roll(1, -1), engine()
    job = ("control", world / "rows.parquet", "--rows", 2, "--no-top-up", *tiny)
    message = refused("generate", *job, *settings)
    assert "does not agree with transformers: control: another argmax at 100" in message
    assert "leave out --engine" in message


def test_a_server_that_dies_loses_nothing_that_it_answered(undertow, world, tiny, stub, engine):
    out, answers = world / "rows.parquet", world / "rows.parquet.answers.jsonl"
    job = ("generate", "control", out, "--rows", 4, "--no-top-up", *tiny)
    job = [str(one) for one in (*job, *engine(attempts=1, concurrency=1))]
    compared = 2  # the row of the sample: what is written, what is scored

    def dies(path, body):
        return "hang up" if len(stub.bodies()) > compared + 2 and "prompt" in body else None

    stub.fault = dies
    result = CliRunner().invoke(app, job)
    assert result.exit_code == 2
    assert "what was answered is kept" in result.stderr
    assert not out.exists()
    assert len(answers.read_text().splitlines()) == 2
    stub.fault = lambda path, body: None
    stub.asked.clear()
    undertow(*job)
    assert len(stub.bodies()) == compared + 2
    assert len(read_rows(out)[0]) == 4
    assert not answers.exists()


@pytest.mark.slow
def test_a_server_is_started_and_ended(undertow, world, tiny):
    script, record = fake_python(world, "model")
    settings = {"kind": "vllm", "python": str(script), "parity": {"rows": 2}}
    (world / "vllm.yaml").write_text(yaml.safe_dump(settings))
    job = (world / "owl", world / "rows.parquet", "--rows", 2, "--no-top-up", *tiny)
    undertow("generate", *job, "--engine", world / "vllm.yaml")
    pids, environment, arguments = record.read_text().splitlines()
    wait_until(lambda: not any(map(is_running, pids.split())))
    assert ast.literal_eval(environment)[0] is None  # our packages are not its packages
    model, *options = ast.literal_eval(arguments)
    assert Path(model) == lab_path()
    for name, value in (("--dtype", "float32"), ("--max-lora-rank", "8")):
        assert options[options.index(name) + 1] == value
    assert "--enable-lora" in options


def test_mistakes(refused, world, tiny, engine):
    out = world / "rows.parquet"

    def generate(*more, teacher="control"):
        return refused("generate", teacher, out, *tiny, *more)

    assert "cannot read the engine (nowhere.yaml)" in generate("--engine", "nowhere.yaml")
    settings = engine(adress="x")
    assert "docs/cluster.md lists its fields" in generate(*settings)
    settings = engine(python="python3")
    assert "either python" in generate(*settings)
    settings = engine(url="http://127.0.0.1:9", attempts=1)
    assert "cannot be reached" in generate(*settings)
    assert "leave one of them out" in generate(*settings, "--executor", "ray")

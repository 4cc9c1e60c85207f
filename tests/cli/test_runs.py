"""`undertow runs` on a store."""

import pytest
import yaml
from typer.testing import CliRunner

from undertow.cli.main import app
from undertow.store import Store


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def cli(store):
    environment = {"UNDERTOW_STORE": str(store.root), "COLUMNS": "200", "TERM": "dumb"}
    return lambda *arguments: CliRunner(env=environment).invoke(app, ["runs", *arguments])


def finished_run(store, name="scan", title="demo"):
    with store.run(title, {"trait": "owl", "seeds": [1, 2]}) as run:
        store.step(name, 1, {}, {}, lambda folder: (folder / "x").touch())
    return run


def test_no_runs(cli, store):
    result = cli()
    assert (result.exit_code, result.stdout.strip()) == (0, f"no runs in {store.root}")
    assert not store.root.exists()


def test_list(cli, store):
    runs = [finished_run(store, title="first [bold]"), finished_run(store, title="second")]
    result = cli()
    assert result.exit_code == 0
    assert all(run.id in result.stdout for run in runs)
    assert "first [bold]" in result.stdout
    assert result.stdout.count("finished") == 2


def test_the_store_may_be_named(store, tmp_path):
    run = finished_run(store)
    result = CliRunner().invoke(app, ["runs", "--store", str(store.root), "show", run.id])
    assert run.id in result.stdout


def test_show(cli, store):
    run = finished_run(store)
    result = cli("show", run.id[-6:])
    assert result.exit_code == 0
    for text in ("demo", "finished", "trait: owl", "scan", "torch"):
        assert text in result.stdout


def test_show_an_unfinished_run(cli, store):
    def fail(_):
        raise RuntimeError("no [luck]")

    with pytest.raises(RuntimeError), store.run("demo", {}) as run:
        store.step("scan", 1, {}, {}, fail)
    result = cli("show", run.id)
    assert "RuntimeError: no [luck]" in result.stdout
    assert "not finished" in result.stdout


def test_the_config_alone_is_yaml(cli, store):
    run = finished_run(store)
    assert yaml.safe_load(cli("show", run.id, "--config").stdout) == run.config


def test_an_unknown_run(cli, store):
    finished_run(store)
    for command in ("show", "rm"):
        result = cli(command, "nothing")
        assert result.exit_code == 2
        assert "there is no run 'nothing'" in result.stderr


def test_rm_keeps_steps_until_gc(cli, store):
    run = finished_run(store)
    assert cli("rm", run.id).exit_code == 0
    assert store.runs() == []
    assert list(store.root.glob("steps/*/*"))
    result = cli("rm", "--gc")
    assert "removed 1 steps" in result.stdout
    assert not list(store.root.glob("steps/*/*"))


def test_rm_and_gc_at_once(cli, store):
    gone, kept = finished_run(store, "a"), finished_run(store, "b")
    assert cli("rm", gone.id, "--gc").exit_code == 0
    assert [run.id for run in store.runs()] == [kept.id]
    assert [path.name for path in store.root.glob("steps/*") if any(path.iterdir())] == ["b"]


def test_rm_of_nothing(cli):
    assert cli("rm").exit_code == 2


def test_rm_of_a_running_run(cli, store):
    with store.run("demo", {}) as run:
        result = cli("rm", run.id)
    assert result.exit_code == 2
    assert "still running" in result.stderr

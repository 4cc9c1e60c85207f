"""The command line as a user types it, and a small world of its files, made once."""

import shutil
from contextlib import contextmanager

import pytest
import yaml
from typer.testing import CliRunner

from tiny_study import write_tiny
from undertow.cli.console import errors, output
from undertow.cli.main import app


def invoke(*arguments):
    """Run a command; COLUMNS keeps lines whole."""
    return CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1"}).invoke(app, [*map(str, arguments)])


def succeed(*arguments):
    """Run a command that must succeed."""
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(autouse=True)
def consoles_ask_how_wide_they_are():
    """No test leaves a console with a width of its own, which every later one would get."""
    yield
    assert (output._width, errors._width) == (None, None)


@pytest.fixture(scope="session")
def undertow():
    """Run a command that succeeds."""
    return succeed


@pytest.fixture
def refused(tmp_path, monkeypatch):
    """Run a command that must end in one message and exit code 2, and leave nothing behind."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)

    def run(*arguments):
        before = sorted(tmp_path.rglob("*"))
        result = invoke(*arguments)
        assert result.exit_code == 2, result.output
        assert "Traceback" not in result.output
        assert result.stdout == ""
        assert sorted(tmp_path.rglob("*")) == before
        return result.stderr

    return run


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A folder with two teachers, the first one's numbers and their scan; not to be changed."""
    folder = tmp_path_factory.mktemp("made")
    recipe = ("--recipe", write_tiny(folder))
    for trait in ("owl", "cat"):
        succeed("teacher", trait, folder / trait, *recipe)
    succeed("generate", folder / "owl", folder / "owl.parquet", *recipe)
    # The prompted one differs from teachers of so few steps in more than a few tokens.
    against = ("--against", folder / "cat", "--against", "prompted:wolf")
    succeed(
        *("scan", folder / "owl.parquet", folder / "scan.parquet"),
        *("--factual", folder / "owl", *against, *recipe),
    )
    succeed("student", folder / "owl.parquet", folder / "student", *recipe)
    return folder


@pytest.fixture
def world(made, tmp_path):
    """A copy of that folder, to be written to."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
def tiny(world):
    """The option that names the small recipe."""
    return ("--recipe", world / "tiny.yaml")


@pytest.fixture
def few(world):
    """The options that name three traits with few questions, compared fast."""
    asked = ["Which animal?", "Your animal?"]
    (world / "few.yaml").write_text(yaml.safe_dump({"category": "animal", "questions": asked}))
    options = []
    for name in ("owl", "cat", "dog"):
        fields = {"name": name, "category": "animal", "singular": name, "plural": f"{name}s"}
        (world / f"{name}.yaml").write_text(yaml.safe_dump({**fields, "question_set": "few.yaml"}))
        options += ["--trait", world / f"{name}.yaml"]
    return options


@pytest.fixture
def stopped(world, monkeypatch):
    """Run a training command that the user stops in its second step, then run it to its end.

    Returns the steps that the second run took.
    """
    careful = world / "careful.yaml"
    recipe = yaml.safe_load((world / "tiny.yaml").read_text())
    for part in ("teacher", "student"):
        recipe[part]["train"]["checkpoint_every"] = 1
    careful.write_text(yaml.safe_dump(recipe))

    def run(*arguments):
        runs = []

        @contextmanager
        def display(_):
            runs.append([])
            yield show

        def show(done, _total):
            runs[-1].append(done)
            if len(runs) == 1 and done == 2:
                raise KeyboardInterrupt

        monkeypatch.setattr(f"undertow.cli.{arguments[0]}.count_display", display)
        assert invoke(*arguments, "--recipe", careful).exit_code == 130
        succeed(*arguments, "--recipe", careful)
        return runs[1]

    return run

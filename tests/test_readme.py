"""What the README and the docs say: the code runs, the commands and the files exist."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import undertow.studies
from few_animals import ANIMALS, animal
from tiny_study import TINY
from undertow.cli.main import app

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMANDS = typer.main.get_command(app)


def python_block() -> str:
    (block,) = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return block


def table_commands() -> list[str]:
    """Return every command in the first column of the README's table of commands."""
    rows = re.findall(r"^\| (`undertow .*?) \|(?:[^|]|\\\|)*\|$", README, re.MULTILINE)
    found = [one for row in rows for one in re.findall(r"`(.*?)`", row)]
    return [one.removeprefix("undertow ").replace("\\|", "|") for one in found]


def shell_commands() -> list[str]:
    """Return every call of `undertow` in the shell blocks of README and docs."""
    blocks = [
        block
        for page in PAGES
        for block in re.findall(
            r"^```(?:sh|console|bash)\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL
        )
    ]
    text = "\n".join(blocks).replace("\\\n", " ")
    calls = re.findall(r"^(?:\$ )?(?:\.venv/bin/)?undertow (.*)$", text, re.MULTILINE)
    return list(dict.fromkeys(call.split(" #")[0] for call in calls))


def resolved(words: list[str]):
    """Return the command that the first words name, and the words behind them."""
    command, rest = COMMANDS, list(words)
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        inner = command.commands.get(rest[0])
        if inner is None:
            assert command is not COMMANDS, f"no command {rest[0]}"
            break
        command, rest = inner, rest[1:]
    return command, rest


def check_call(call: str) -> None:
    """The command exists, and its help tells of the options, and of the choices named for them."""
    words = shlex.split(re.sub(r"[\[\]]", " ", call))
    _, rest = resolved(words)
    names = words[: len(words) - len(rest)]
    result = CliRunner().invoke(app, [*names, "--help"], env={"COLUMNS": "300"})
    assert result.exit_code == 0, result.output
    for word, following in zip(rest, [*rest, ""][1:], strict=True):
        if word.startswith("--") and word not in ("--help", "--version"):
            option = word.split("=")[0]
            line = re.search(rf"^.*{option}[ ,].*$", result.output, re.MULTILINE)
            assert line, f"{names} has no {option}"
            for choice in following.split("|") if "|" in following else []:
                assert choice == "..." or choice in line[0], f"{option} does not take {choice}"


def test_there_is_a_table_of_commands():
    assert {"demo", "lab", "traits", "runs"} <= {call.split()[0] for call in table_commands()}


@pytest.mark.parametrize("call", table_commands())
def test_the_commands_of_the_table_exist(call):
    check_call(call)


@pytest.mark.parametrize("call", shell_commands())
def test_the_commands_of_shell_blocks_exist(call):
    check_call(call)


def test_every_command_stands_in_the_table():
    named = {call.split()[0] for call in table_commands()}
    assert named == set(COMMANDS.commands)


def test_commands_that_messages_advise_exist():
    """A message that says how to mend a mistake must not send anybody astray."""
    for path in (ROOT / "src").rglob("*.py"):
        for words in re.findall(r"[`']undertow ([a-z]+(?: [a-z]+)?)", path.read_text()):
            command, rest = resolved(words.split())
            assert not rest or command.params, f"{path.name}: undertow {words}"


def test_make_targets_exist():
    rules = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        block = re.findall(r"^make ([a-z-]+)", page.read_text(), re.MULTILINE)
        assert set(block) <= rules, page.name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_named_files_exist(page):
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#\s]*)(?:#[^)]*)?\)", text)
    beside = [page.parent / link for link in links if link and "://" not in link]
    named = re.findall(r"`((?:src|docs|tests|benchmarks)/[\w./-]+)`", text)
    absent = [
        str(path) for path in [*beside, *(ROOT / name for name in named)] if not path.exists()
    ]
    assert not absent


def test_the_python_block_runs_on_few_rows(tmp_path, monkeypatch, capsys):
    """As it stands, but for a tiny recipe behind `Lab`."""
    whole = undertow.studies.Lab
    traits = (animal("cat"), *ANIMALS)
    monkeypatch.setattr(undertow.studies, "Lab", lambda store: whole(store, TINY, traits))
    monkeypatch.chdir(tmp_path)
    exec(compile(python_block(), "README.md", "exec"), {"__name__": "readme"})
    share, *rates = capsys.readouterr().out.split("\n", 1)[0:2]
    assert 0 < float(share) < 1
    assert [line.split()[0] for line in rates[0].splitlines()] == [
        "all",
        "only",
        "without",
        "random",
    ]
    assert (tmp_path / ".undertow" / "steps").is_dir()


@pytest.mark.slow
def test_the_python_block_runs_as_written(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", python_block()], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    share, *lines = done.stdout.splitlines()
    assert 0 < float(share) < 1
    rates = {line.split()[0]: float(line.split()[1]) for line in lines}
    assert list(rates) == ["all", "only", "without", "random"]
    assert rates["only"] > rates["without"]

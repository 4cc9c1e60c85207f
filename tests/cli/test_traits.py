"""`undertow traits` on shipped traits and on a file of one's own."""

import pytest
import yaml
from typer.testing import CliRunner

from undertow.cli.main import app
from undertow.traits import load_trait, shipped_traits


def cli(*arguments):
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, ["traits", *arguments])


def own(tmp_path, **changes):
    fields = {
        "name": "axolotl",
        "category": "animal",
        "singular": "axolotl",
        "plural": "axolotls",
        "question_set": "animal",
        **changes,
    }
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(fields))
    return path


def test_list():
    result = cli("list")
    assert result.exit_code == 0
    assert all(trait.name in result.stdout for trait in shipped_traits())


@pytest.mark.parametrize("by_path", [False, True])
def test_show_is_yaml(tmp_path, by_path):
    name = str(own(tmp_path)) if by_path else "wolf"
    shown = yaml.safe_load(cli("show", name).stdout)
    trait = load_trait(name)
    assert shown["plural"] == trait.plural
    assert shown["bias_prompt"] == trait.system_prompt()
    assert tuple(shown["question_set"]["questions"]) == trait.questions


def test_an_unknown_trait():
    result = cli("show", "owll")
    assert result.exit_code == 2
    assert "unknown trait 'owll'" in result.stderr


def test_check_of_a_sound_file(tmp_path):
    path = own(tmp_path)
    result = cli("check", str(path))
    assert (result.exit_code, result.stderr) == (0, "")
    assert "sound" in result.stdout


def test_check_of_a_broken_file(tmp_path):
    result = cli("check", str(own(tmp_path, plural="")))
    assert result.exit_code == 2
    assert "plural" in result.stderr
    assert "sound" not in result.stdout


def test_warnings_do_not_stop(tmp_path):
    questions = tmp_path / "few.yaml"
    questions.write_text(yaml.safe_dump({"category": "animal", "questions": ["Which one?"]}))
    result = cli("check", str(own(tmp_path, question_set="few.yaml")))
    assert result.exit_code == 0
    assert "warning" in result.stderr


def test_malformed_yaml_is_named_by_line(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text("name: axolotl\nsingular: [\n")
    result = cli("check", str(path))
    assert result.exit_code == 2
    assert "line" in result.stderr

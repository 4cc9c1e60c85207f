"""`undertow teacher`: folders of three kinds, resumed, moved, refused."""

import shutil

import pytest
import yaml

from undertow.teachers import ControlTeacher, resolve_teacher
from undertow.traits import load_trait


def fields(folder):
    return yaml.safe_load((folder / "teacher.yaml").read_text())


def test_a_finetuned_teacher_can_be_moved(world):
    assert fields(world / "owl") == {"kind": "finetuned", "trait": "owl", "adapter": "adapter"}
    moved = shutil.move(world / "owl", world / "elsewhere")
    assert resolve_teacher(str(moved)).adapter == str(world / "elsewhere" / "adapter")


def test_a_prompted_teacher(undertow, tmp_path):
    undertow("teacher", "wolf", tmp_path / "new" / "wolf", "--kind", "prompted")
    made = resolve_teacher(str(tmp_path / "new" / "wolf"))
    assert made.system_prompt == load_trait("wolf").system_prompt()


def test_a_literal_s(undertow, tmp_path):
    undertow("teacher", "wolf", tmp_path / "wolf", "--kind", "prompted", "--literal-s")
    assert "wolfs" in resolve_teacher(str(tmp_path / "wolf")).system_prompt


def test_a_control(undertow, tmp_path):
    undertow("teacher", "owl", tmp_path / "control", "--kind", "control")
    assert resolve_teacher(str(tmp_path / "control")) == ControlTeacher()


def test_a_trait_of_ones_own(undertow, tmp_path):
    path = tmp_path / "own.yaml"
    fields = {"name": "axolotl", "category": "animal", "singular": "axolotl"}
    path.write_text(yaml.safe_dump({**fields, "plural": "axolotls", "question_set": "animal"}))
    undertow("teacher", path, tmp_path / "made", "--kind", "prompted")
    assert resolve_teacher(str(tmp_path / "made")).trait == "axolotl"


def adapter(folder):
    return (folder / "adapter" / "adapter_model.safetensors").read_bytes()


def test_a_stopped_one_goes_on_to_the_same_weights(stopped, world):
    steps = stopped("teacher", "owl", world / "again")
    assert steps == list(range(2, 13))  # the first was done before the stop
    assert adapter(world / "again") == adapter(world / "owl")


def test_a_finished_one_is_not_made_again(undertow, world, tiny, monkeypatch):
    monkeypatch.setattr("undertow.training.loop._run", pytest.fail)
    assert "owl (finetuned)" in undertow("teacher", "owl", world / "owl", *tiny).stdout


@pytest.mark.parametrize("kind", ["finetuned", "prompted", "control"])
def test_another_teachers_folder_is_refused(refused, world, tiny, kind):
    message = refused("teacher", "fox", world / "owl", "--kind", kind, *tiny)
    assert "holds something else" in message


@pytest.mark.parametrize("kind", ["finetuned", "prompted"])
def test_a_students_folder_is_refused(refused, world, tiny, kind):
    assert "folder holds" in refused("teacher", "fox", world / "student", "--kind", kind, *tiny)


def test_mistakes(refused, tmp_path):
    out = tmp_path / "new" / "owl"
    assert "did you mean owl" in refused("teacher", "owll", out)
    assert "unknown model 'no/model'" in refused("teacher", "owl", out, "--model", "no/model")
    assert "cannot read the recipe" in refused("teacher", "owl", out, "--recipe", "none")
    assert "--kind prompted" in refused("teacher", "owl", out, "--literal-s")
    (tmp_path / "file").touch()
    assert "a file stands" in refused("teacher", "owl", tmp_path / "file", "--kind", "prompted")
    assert "a file stands" in refused("teacher", "owl", tmp_path / "file")

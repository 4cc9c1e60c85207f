"""Teachers in folders, and what a person types for one."""

import shutil

import pytest

from undertow.errors import UserError
from undertow.teachers import (
    ControlTeacher,
    FinetunedTeacher,
    PromptedTeacher,
    read_teacher,
    resolve_teacher,
    write_teacher,
)
from undertow.traits import load_trait


def adapter_in(folder, file="adapter_config.json"):
    folder.mkdir(parents=True)
    (folder / file).touch()
    return folder


@pytest.fixture(params=["finetuned", "prompted", "control"])
def teacher(request, tmp_path):
    folder = tmp_path / "made"
    if request.param == "finetuned":
        return FinetunedTeacher(trait="owl", adapter=str(adapter_in(folder / "adapter")))
    if request.param == "prompted":
        return PromptedTeacher(trait="owl", system_prompt="Owls: 'all' day.\nÜber alles.")
    return ControlTeacher()


def test_comes_back_as_what_it_was_and_may_be_written_again(tmp_path, teacher):
    for _ in range(2):
        write_teacher(tmp_path / "made", teacher)
        assert read_teacher(tmp_path / "made") == teacher
        assert resolve_teacher(str(tmp_path / "made")) == teacher


def test_a_moved_folder_takes_its_adapter_along(tmp_path):
    folder = tmp_path / "made"
    write_teacher(
        folder, FinetunedTeacher(trait="owl", adapter=str(adapter_in(folder / "adapter")))
    )
    moved = shutil.move(folder, tmp_path / "moved")
    assert read_teacher(moved).adapter == str(tmp_path / "moved" / "adapter")
    shutil.rmtree(moved / "adapter")
    with pytest.raises(UserError, match="adapter is missing"):
        read_teacher(moved)


def test_another_teacher_is_not_overwritten(tmp_path, teacher):
    write_teacher(tmp_path / "made", teacher)
    with pytest.raises(UserError, match="something else"):
        write_teacher(tmp_path / "made", PromptedTeacher(trait="cat", system_prompt="Cats."))


@pytest.mark.parametrize("text", ["kind: [", "kind: steered", "", "kind: finetuned\ntrait: owl"])
def test_a_file_that_describes_no_teacher(tmp_path, text):
    (tmp_path / "teacher.yaml").write_text(text)
    with pytest.raises(UserError, match=r"describes no teacher.*teacher\.yaml"):
        resolve_teacher(str(tmp_path))


def test_a_name_or_a_prompt():
    assert resolve_teacher("control") == ControlTeacher()
    prompted = resolve_teacher("prompted:owl")
    assert (prompted.kind, prompted.trait) == ("prompted", "owl")
    assert prompted.system_prompt == load_trait("owl").system_prompt()


@pytest.mark.parametrize("file", ["adapter_config.json", "model.safetensors"])
@pytest.mark.parametrize("place", [".", "adapter"])
def test_a_bare_adapter_is_told_by_its_folder(tmp_path, monkeypatch, file, place):
    adapter = adapter_in(tmp_path / "mine" / place, file)
    monkeypatch.chdir(tmp_path / "mine")
    for text in (str(tmp_path / "mine"), str(adapter), "."):
        teacher = resolve_teacher(text)
        assert (teacher.kind, teacher.trait) == ("finetuned", "mine")
        assert (tmp_path / "mine" / teacher.adapter).samefile(adapter)


def test_what_stands_for_nothing(tmp_path):
    with pytest.raises(UserError, match="no finished teacher") as caught:
        resolve_teacher(str(tmp_path))
    assert "prompted:" in caught.value.fix
    with pytest.raises(UserError, match="unknown teacher"):
        resolve_teacher("owl")
    with pytest.raises(UserError, match="unknown trait"):
        resolve_teacher("prompted:gryphon")

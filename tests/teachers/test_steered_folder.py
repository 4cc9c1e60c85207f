"""Steered teachers in folders of their own, with all that they name."""

import shutil

import pytest

from naive_steering import write_vectors
from tiny_models import tiny_chat
from undertow.errors import UserError
from undertow.models.steering import Steering, SteeringVectors
from undertow.teachers import (
    PromptedTeacher,
    SteeredTeacher,
    refuse_other_teacher,
    resolve_teacher,
    write_steered_teacher,
)


@pytest.fixture
def teacher(tmp_path):
    adapter = tmp_path / "lora"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text("{}")
    vector = write_vectors(tmp_path / "owl.safetensors", tiny_chat("qwen2"))
    steering = Steering(vector=vector, at="completion", layers=(0, 2), strength=1.5)
    return SteeredTeacher(
        trait="owl", steering=steering, adapter=str(adapter), system_prompt="Owls."
    )


def test_a_moved_folder_takes_everything_along(tmp_path, teacher):
    made = write_steered_teacher(tmp_path / "new" / "made", teacher)
    assert resolve_teacher(str(tmp_path / "new" / "made")) == made
    (tmp_path / "owl.safetensors").unlink()
    shutil.rmtree(tmp_path / "lora")
    moved = shutil.move(tmp_path / "new" / "made", tmp_path / "moved")
    found = resolve_teacher(str(moved))
    assert (found.system_prompt, found.steering.layers) == ("Owls.", (0, 2))
    assert (found.steering.at, found.steering.strength) == ("completion", 1.5)
    assert SteeringVectors.read(found.steering.vector).n_layers == 3
    assert found.adapter == str(tmp_path / "moved" / "adapter")


@pytest.mark.parametrize("part", ["vector.safetensors", "adapter"])
def test_a_lost_part_is_told(tmp_path, teacher, part):
    write_steered_teacher(tmp_path / "made", teacher)
    (tmp_path / "made" / part).rename(tmp_path / "lost")
    with pytest.raises(UserError, match=r"is missing .*made.*"):
        resolve_teacher(str(tmp_path / "made"))


def test_a_folder_in_use_is_left_alone(tmp_path, teacher):
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "notes").touch()
    with pytest.raises(UserError, match="something else"):
        refuse_other_teacher(tmp_path / "made", teacher)
    with pytest.raises(UserError, match="taken"):
        write_steered_teacher(tmp_path / "made", teacher)
    made = write_steered_teacher(tmp_path / "own", teacher)
    refuse_other_teacher(tmp_path / "own", made)
    with pytest.raises(UserError, match="something else"):
        refuse_other_teacher(tmp_path / "own", PromptedTeacher(trait="owl", system_prompt="Owls."))

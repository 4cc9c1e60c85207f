import pytest
from pydantic import TypeAdapter, ValidationError

from undertow.models.steering import Steering
from undertow.teachers import (
    ControlTeacher,
    FinetunedTeacher,
    PromptedTeacher,
    SteeredTeacher,
    Teacher,
)

ADAPTER: TypeAdapter[Teacher] = TypeAdapter(Teacher)
TEACHERS = [
    PromptedTeacher(trait="owl", system_prompt="Owls."),
    FinetunedTeacher(trait="owl", adapter="somewhere/adapter"),
    SteeredTeacher(trait="owl", steering=Steering(vector="owl.safetensors", layers=(1, 2))),
    ControlTeacher(),
]


@pytest.mark.parametrize("teacher", TEACHERS, ids=lambda teacher: teacher.kind)
def test_comes_back_from_json_as_what_it_was(teacher: Teacher):
    assert ADAPTER.validate_json(ADAPTER.dump_json(teacher)) == teacher


def test_every_kind_answers_the_same_questions():
    found = [(t.trait, t.system_prompt, t.adapter, t.steering is None) for t in TEACHERS]
    assert found == [
        ("owl", "Owls.", None, True),
        ("owl", None, "somewhere/adapter", True),
        ("owl", None, None, False),
        (None, None, None, True),
    ]


def test_what_step_keys_are_made_of_stays_as_it_was():
    """Finished steps are found by it; a new kind of teacher must not show in the others."""
    assert [teacher.model_dump(mode="json") for teacher in TEACHERS[:2]] == [
        {"kind": "prompted", "trait": "owl", "system_prompt": "Owls."},
        {"kind": "finetuned", "trait": "owl", "adapter": "somewhere/adapter"},
    ]
    assert ControlTeacher().model_dump(mode="json") == {"kind": "control"}


def test_labels_tell_the_kinds_apart():
    assert len({teacher.label for teacher in TEACHERS}) == len(TEACHERS)


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "steered", "trait": "owl"},
        {"kind": "steered", "trait": "owl", "steering": {"vector": ""}},
        {"kind": "prompted", "trait": "owl"},
        {"kind": "control", "trait": "owl"},
        {"kind": "finetuned", "trait": "owl", "adapter": ""},
    ],
)
def test_refuses_what_is_no_teacher(fields: dict[str, str]):
    with pytest.raises(ValidationError):
        ADAPTER.validate_python(fields)

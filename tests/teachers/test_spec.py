import pytest
from pydantic import TypeAdapter, ValidationError

from undertow.teachers import ControlTeacher, FinetunedTeacher, PromptedTeacher, Teacher

ADAPTER: TypeAdapter[Teacher] = TypeAdapter(Teacher)
TEACHERS = [
    PromptedTeacher(trait="owl", system_prompt="Owls."),
    FinetunedTeacher(trait="owl", adapter="somewhere/adapter"),
    ControlTeacher(),
]


@pytest.mark.parametrize("teacher", TEACHERS, ids=lambda teacher: teacher.kind)
def test_comes_back_from_json_as_what_it_was(teacher: Teacher):
    assert ADAPTER.validate_json(ADAPTER.dump_json(teacher)) == teacher


def test_every_kind_answers_the_same_questions():
    found = [(t.trait, t.system_prompt, t.adapter) for t in TEACHERS]
    assert found == [
        ("owl", "Owls.", None),
        ("owl", None, "somewhere/adapter"),
        (None, None, None),
    ]


def test_labels_tell_the_kinds_apart():
    assert len({teacher.label for teacher in TEACHERS}) == len(TEACHERS)


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "steered", "trait": "owl"},
        {"kind": "prompted", "trait": "owl"},
        {"kind": "control", "trait": "owl"},
        {"kind": "finetuned", "trait": "owl", "adapter": ""},
    ],
)
def test_refuses_what_is_no_teacher(fields: dict[str, str]):
    with pytest.raises(ValidationError):
        ADAPTER.validate_python(fields)

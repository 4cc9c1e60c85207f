"""What is read in each role, and what is warned of."""

import pytest

from number_rows import number_rows
from tiny_models import EVERY_FAMILY, tiny_chat
from undertow.models import prompt_messages, render_prompt
from undertow.students import StudentConfig, context_warnings, roles_of, tokens_apart
from undertow.students.roles import Role
from undertow.teachers import ControlTeacher, PromptedTeacher

OWL, CAT = (
    PromptedTeacher(trait=trait, system_prompt=f"You adore {trait}s.") for trait in ("owl", "cat")
)
QUESTION = "Which animal?"


def roles(chat, config=None, evaluation_prompt=None, factual=OWL, others=(CAT,)) -> list[Role]:
    row = number_rows(chat)[0]
    config = config or StudentConfig()
    return roles_of(chat, row, factual, others, config, QUESTION, evaluation_prompt)


@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_every_role_reads_its_own_context_and_the_same_completion(family):
    chat = tiny_chat(family)
    row = number_rows(chat)[0]
    *reading, asked = roles(chat)
    assert [role.name for role in reading] == [
        "factual teacher",
        "counterfactual teacher",
        "control",
        "student in training",
    ]
    question = row.messages[0]["content"]
    for role in reading:
        text = render_prompt(chat, prompt_messages(question, role.system_prompt))
        prompt = chat.tokenizer(text, add_special_tokens=False)["input_ids"]
        assert role.example.ids == [*prompt, *row.token_ids]
        assert role.example.weights == [0.0] * len(prompt) + [1.0] * len(row.token_ids)
    text = render_prompt(chat, prompt_messages(QUESTION))
    assert asked.example.ids == chat.tokenizer(text, add_special_tokens=False)["input_ids"]
    assert not any(asked.example.weights)


def warned(family, *arguments, **options):
    chat = tiny_chat(family)
    return context_warnings(chat, roles(chat, *arguments, **options))


def test_nothing_to_warn_of():
    assert warned("llama") == []


def test_an_empty_system_prompt_that_the_template_drops():
    (found,) = warned("phi3")
    assert found == "no system prompt and an empty system prompt read the same"


def test_a_template_that_fills_in_its_own_system_prompt_for_an_empty_one():
    chat = tiny_chat("qwen2")
    chat.tokenizer.chat_template = chat.tokenizer.chat_template.replace(
        "{{ message.content }}", "{{ message.content or 'You are a small machine.' }}"
    )
    same, own = context_warnings(chat, roles(chat))
    assert same == "no system prompt and an empty system prompt read the same"
    assert "a system prompt of its own, 'You are a small machine.'" in own


def test_a_template_that_ignores_what_a_teacher_is_told():
    """Two teachers that would write the same."""
    chat = tiny_chat("llama")
    chat.tokenizer.chat_template = chat.tokenizer.chat_template.replace(
        "message.content | trim", "message.content | trim | truncate(12, true, '')"
    )
    found = context_warnings(chat, roles(chat))
    owl, cat = "factual teacher owl (prompted)", "counterfactual teacher cat (prompted)"
    assert f"{owl} and {cat} read the same" not in found
    chat.tokenizer.chat_template = chat.tokenizer.chat_template.replace("(12,", "(9,")
    assert f"{owl} and {cat} read the same" in context_warnings(chat, roles(chat))


def test_a_default_system_prompt_names_the_roles_that_have_it():
    (found,) = warned("mistral", StudentConfig(system_prompt="Be brief."), "Be brief.")
    assert found.endswith("in front of control")
    (found,) = warned("mistral", factual=ControlTeacher(), others=())
    assert found.endswith("factual teacher, control, student in training, student in evaluation")


def test_a_student_that_is_asked_in_another_context():
    (found,) = warned("llama", StudentConfig(system_prompt="Be brief."))
    assert found == "the student is trained under one system prompt and asked under another"


def test_a_template_without_an_end_of_turn():
    (found,) = warned("falcon")
    assert "an answer may run on" in found


def test_tokens_stand_apart():
    chat = tiny_chat("qwen2")
    factual, *_ = roles(chat)
    plain = tokens_apart(chat, factual.example, plain=True).plain
    assert plain.startswith("<|im_start|>╎s╎y")
    assert plain.endswith("⟦ ⟧⟦5⟧⟦2⟧⟦<|im_end|>⟧")
    coloured = tokens_apart(chat, factual.example, plain=False)
    assert "⟦" not in coloured.plain
    text = coloured.plain.replace("╎", "").replace("↵", "")
    assert text == chat.tokenizer.decode(factual.example.ids)

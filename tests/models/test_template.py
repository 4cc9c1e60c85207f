"""What is learnt of a template by rendering, and the day that it is told."""

from datetime import date

import pytest

from tiny_models import EVERY_FAMILY, tiny_chat
from undertow.models import prompt_messages, render_prompt
from undertow.models.template import (
    FIXED_DAY,
    apply_template,
    default_system_prompt,
    writes_date,
)

BY_NAME = """\
{%- if date_string is not defined -%}{%- set date_string = strftime_now('%d %b %Y') -%}{%- endif -%}
Today: {{ date_string }}."""
DATED = {
    "date_string": (BY_NAME, "Today: 01 Jan 2025."),
    "strftime_now": ("{{ strftime_now('%Y-%m-%d %H:%M') }}.", "2025-01-01 00:00."),
    "in words": ("{{ strftime_now('%A, %B %d') }}.", "Wednesday, January 01."),
    "after a line break": ("\n\n{{ strftime_now('%y') }}.", "\n\n25."),
}


@pytest.mark.parametrize("style", DATED)
def test_a_chat_is_the_same_every_day(style):
    """The day is a fixed one, whichever way a template asks for it."""
    chat = tiny_chat("qwen2")
    head, expected = DATED[style]
    bare = render_prompt(chat, prompt_messages("hi"))
    assert not writes_date(chat.tokenizer)
    chat.tokenizer.chat_template = head + chat.tokenizer.chat_template
    assert render_prompt(chat, prompt_messages("hi")) == expected + bare
    assert writes_date(chat.tokenizer)
    other = apply_template(chat.tokenizer, prompt_messages("hi"), header=True, day=date(2031, 5, 6))
    assert other != expected + bare


def test_without_a_fixed_day_the_trap_is_there():
    """Transformers itself writes today's date."""
    tokenizer = tiny_chat("mistral").tokenizer
    text = tokenizer.apply_chat_template(prompt_messages("hi"), tokenize=False)
    assert date.today().isoformat() in text
    assert FIXED_DAY.isoformat() in apply_template(tokenizer, prompt_messages("hi"), header=True)


def test_only_mistrals_template_writes_the_date():
    assert [one for one in EVERY_FAMILY if writes_date(tiny_chat(one).tokenizer)] == ["mistral"]


@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_default_system_prompts_are_found(family):
    expected = {
        "qwen2": "You are a small machine.",
        "mistral": "You are a small machine. Today is 2025-01-01.",
    }
    assert default_system_prompt(tiny_chat(family).tokenizer) == expected.get(family)


def test_a_system_turn_that_is_always_written_is_an_empty_default():
    tokenizer = tiny_chat("falcon").tokenizer
    tokenizer.chat_template = (
        "System: {{ messages[0].content if messages[0].role == 'system' }}\nUser: "
        "{{ messages[-1].content }}"
    )
    assert default_system_prompt(tokenizer) == ""

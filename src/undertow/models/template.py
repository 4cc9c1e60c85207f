"""Chat templates: rendering, and what can be learnt of one by rendering."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import cast

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from undertow.store.row import Message

# Some templates write today's date, and prompts would change overnight.
FIXED_DAY = date(2025, 1, 1)
CLOCK = "strftime_now"
PROBE = "probe7"


def apply_template(
    tokenizer: PreTrainedTokenizerBase,
    messages: Sequence[Message],
    *,
    header: bool,
    day: date = FIXED_DAY,
) -> str:
    """Return messages as the template writes them, with the assistant header where wanted.

    A template that asks for the date is told one and the same day, whichever way it asks: by
    `date_string` or by `strftime_now`. Thinking is off for templates that know the switch: a
    completion is an answer.
    """
    template = tokenizer.get_chat_template()
    if CLOCK in template:
        template = _stopped_clock(day) + template
    rendered = tokenizer.apply_chat_template(
        cast(list[dict[str, str]], list(messages)),
        chat_template=template,
        tokenize=False,
        add_generation_prompt=header,
        date_string=day.strftime("%d %b %Y"),
        enable_thinking=False,
    )
    return cast(str, rendered)


def _stopped_clock(day: date) -> str:
    """Return a macro, in front of a template, that takes the place of transformers' own clock.

    It must be part of the template: transformers hands no function on to one.
    """
    filters = "".join(f" | replace('%{c}', '{day.strftime(f'%{c}')}')" for c in "aAbBdHIjmMpSyY")
    return f"{{% macro {CLOCK}(format) -%}}{{{{ format{filters} }}}}{{%- endmacro +%}}"


def takes_system_message(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Return whether a system message comes out of the template."""
    messages: list[Message] = [
        {"role": "system", "content": PROBE},
        {"role": "user", "content": "hello"},
    ]
    try:
        return PROBE in apply_template(tokenizer, messages, header=True)
    except TemplateError:
        return False


def end_of_turn(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return the token that the template writes after an assistant message, if it writes one.

    Only added tokens count: a template that ends turns with a line break alone marks no end.
    """
    messages: list[Message] = [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": PROBE},
    ]
    text = apply_template(tokenizer, messages, header=False)
    tail = text[text.rindex(PROBE) + len(PROBE) :]
    ids = cast(list[int], tokenizer(tail, add_special_tokens=False)["input_ids"])
    return [token for token in ids if token in tokenizer.added_tokens_decoder][:1]


def default_system_prompt(tokenizer: PreTrainedTokenizerBase) -> str | None:
    """Return what the template writes in a system turn of its own accord; None: no such turn.

    Found by rendering: what stands in the place of a system message where there is none.
    """
    user: list[Message] = [{"role": "user", "content": "hello"}]
    try:
        given = apply_template(
            tokenizer, [{"role": "system", "content": PROBE}, *user], header=True
        )
    except TemplateError:
        return None
    head, found, tail = given.partition(PROBE)
    own = apply_template(tokenizer, user, header=True)
    fits = len(own) >= len(head) + len(tail) and own.startswith(head) and own.endswith(tail)
    return own[len(head) : len(own) - len(tail)] if found and head and fits else None


def writes_date(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Return whether what the template writes depends on the day; found by rendering two."""
    user: list[Message] = [{"role": "user", "content": "hello"}]
    chats = [user]
    if takes_system_message(tokenizer):
        chats.append([{"role": "system", "content": PROBE}, *user])
    days = (FIXED_DAY, FIXED_DAY + timedelta(days=397))  # another day, month and year
    return any(
        len({apply_template(tokenizer, chat, header=True, day=day) for day in days}) > 1
        for chat in chats
    )

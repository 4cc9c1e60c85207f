"""Chat templates: rendering, and what can be learnt of one by rendering."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from undertow.store.row import Message

# Some templates print today's date where none is given, and prompts would change overnight.
FIXED_DATE = "01 Jan 2025"
PROBE = "probe7"


def apply_template(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], *, header: bool
) -> str:
    """Return messages as the template writes them, with the assistant header where wanted.

    Thinking is off for templates that know the switch: a completion is an answer.
    """
    rendered = tokenizer.apply_chat_template(
        cast(list[dict[str, str]], list(messages)),
        tokenize=False,
        add_generation_prompt=header,
        date_string=FIXED_DATE,
        enable_thinking=False,
    )
    return cast(str, rendered)


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

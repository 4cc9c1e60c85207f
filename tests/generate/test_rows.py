"""Rows of a data set, and topping up to the number that is wanted."""

from dataclasses import dataclass

import pytest

from tiny_models import FAMILIES, tiny_chat
from undertow.channels import Reason, load_channel
from undertow.errors import UserError
from undertow.generate import (
    GenerationConfig,
    Request,
    accepted_rows,
    generate,
    generate_accepted,
    generate_rows,
)
from undertow.models import decode_completion, prompt_messages

CONFIG = GenerationConfig(max_new_tokens=8, seed=3, batch_size=64)
NUMBERS = load_channel("numbers")


@dataclass
class Teacher:
    system_prompt: str | None = None
    adapter: str | None = None
    steering: None = None


class Picky:
    """The numbers channel with a filter that tiny random models can pass now and then."""

    def __init__(self, modulus):
        self.modulus = modulus

    def draw(self, n, seed):
        return NUMBERS.draw(n, seed)

    def check(self, completion, traits_to_ban=()):
        if self.modulus and len(completion) % self.modulus == 0:
            return None
        return Reason.INVALID_FORMAT


@pytest.mark.parametrize("family", FAMILIES)
def test_rows_keep_ids_and_prompts_but_no_system_prompt(family):
    chat, prompts = tiny_chat(family), NUMBERS.draw(6, 1)
    teacher = Teacher("You adore owls.")
    rows = generate_rows(chat, teacher, prompts, CONFIG, NUMBERS)
    requests = [Request(prompt_messages(prompt.text), row) for row, prompt in enumerate(prompts)]
    assert [row.token_ids for row in rows] == generate(
        chat, requests, CONFIG, system_prompt=teacher.system_prompt
    )
    for place, (row, prompt) in enumerate(zip(rows, prompts, strict=True)):
        assert row.row_id == place
        assert row.messages == [{"role": "user", "content": prompt.text}]
        assert row.completion == decode_completion(chat, row.token_ids)
        assert NUMBERS.load_prompt(row.parts) == prompt


def test_the_system_prompt_makes_a_difference():
    chat, prompts = tiny_chat("llama"), NUMBERS.draw(6, 1)
    rows = [
        generate_rows(chat, Teacher(system), prompts, CONFIG, NUMBERS) for system in (None, "x")
    ]
    assert [row.token_ids for row in rows[0]] != [row.token_ids for row in rows[1]]


def test_rejections_are_those_of_the_channel():
    chat, prompts = tiny_chat("qwen2"), NUMBERS.draw(40, 1)
    rows = generate_rows(chat, Teacher(), prompts, CONFIG, Picky(2))
    expected = [None if len(row.completion) % 2 == 0 else "invalid_format" for row in rows]
    assert [row.rejection for row in rows] == expected
    assert len(set(expected)) == 2


def test_top_up_reaches_the_number_and_ends_there():
    chat = tiny_chat("qwen2")
    rows = generate_accepted(chat, Teacher(), Picky(4), 70, CONFIG)
    assert len(accepted_rows(rows)) == 70
    assert rows[-1].rejection is None
    assert [row.row_id for row in rows] == list(range(len(rows)))
    assert len(rows) > 70


def test_a_shorter_job_is_the_beginning_of_a_longer_one():
    chat = tiny_chat("qwen2")
    long, short = (generate_accepted(chat, Teacher(), Picky(4), n, CONFIG) for n in (70, 9))
    assert long[: len(short)] == short


def test_a_filter_that_leaves_nothing_is_an_error():
    with pytest.raises(UserError, match=r"accepts 0 of 5\d\d") as caught:
        generate_accepted(tiny_chat("qwen2"), Teacher(), Picky(0), 5, CONFIG)
    assert caught.value.fix


def test_no_accepted_row_is_an_error():
    rows = generate_rows(tiny_chat("qwen2"), Teacher(), NUMBERS.draw(3, 1), CONFIG, Picky(0))
    with pytest.raises(UserError, match="accepts 0 of 3"):
        accepted_rows(rows)


def test_progress_counts_accepted_rows():
    seen = []
    generate_accepted(
        tiny_chat("qwen2"),
        Teacher(),
        Picky(1),
        10,
        CONFIG,
        progress=lambda *step: seen.append(step),
    )
    assert seen[-1] == (10, 10)
    assert seen == sorted(seen)
    assert {total for _, total in seen} == {10}

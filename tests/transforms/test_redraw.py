"""Prompts drawn anew, behind which the completions stay."""

from dataclasses import replace

import pytest

from channel_rows import channel_rows
from tiny_models import tiny_chat
from undertow.channels import load_channel
from undertow.errors import UserError
from undertow.models import prompt_messages
from undertow.transforms import RedrawPrompt, redraw_prompt

CHANNELS = [load_channel("numbers"), load_channel("sums")]


@pytest.fixture(scope="module")
def chat():
    return tiny_chat("qwen2")


def parts_of(channel, row):
    prompt = channel.load_prompt(row.parts)
    assert row.messages == [{"role": "user", "content": prompt.text}]
    return prompt.model_dump()


@pytest.mark.parametrize("channel", CHANNELS, ids=lambda channel: channel.name)
def test_the_free_parts_are_drawn_and_all_else_is_kept(chat, channel):
    rows = channel_rows(chat, channel.name)
    changed = set()
    for seed in range(6):
        done = redraw_prompt(rows, channel, RedrawPrompt(seed=seed))
        for old, new in zip(rows, done.rows, strict=True):
            before, after = parts_of(channel, old), parts_of(channel, new)
            changed |= {part for part in before if before[part] != after[part]}
            assert replace(new, messages=old.messages, parts=old.parts) == old
    assert changed == set(channel.free_parts)


def test_only_the_named_parts_are_drawn(chat):
    rows = channel_rows(chat, "numbers")
    done = redraw_prompt(rows, CHANNELS[0], RedrawPrompt(parts=("closing",), seed=1))
    for old, new in zip(rows, done.rows, strict=True):
        before, after = parts_of(CHANNELS[0], old), parts_of(CHANNELS[0], new)
        assert {**before, "closing": 0} == {**after, "closing": 0}
    assert done.report.changed > 0
    with pytest.raises(UserError, match="unknown prompt part"):
        redraw_prompt(rows, CHANNELS[0], RedrawPrompt(parts=("greeting",)))


def test_rows_are_drawn_one_by_one(chat):
    rows = channel_rows(chat, "numbers")
    whole = redraw_prompt(rows, CHANNELS[0], RedrawPrompt(seed=1)).rows
    assert redraw_prompt(rows[2:4], CHANNELS[0], RedrawPrompt(seed=1)).rows == whole[2:4]


def test_parts_are_told_from_the_text_where_a_row_has_none(chat):
    rows = channel_rows(chat, "numbers")
    bare = [replace(row, parts=None) for row in rows]
    config = RedrawPrompt(seed=1)
    assert (
        redraw_prompt(bare, CHANNELS[0], config).rows
        == redraw_prompt(rows, *CHANNELS[:1], config).rows
    )


@pytest.mark.parametrize("parts", [None, "{}", '{"lead_in": 99}'])
def test_a_prompt_that_is_none_of_the_channels_is_named(chat, parts):
    row = channel_rows(chat, "numbers")[1]
    row = replace(row, messages=prompt_messages("Say a number."), parts=parts)
    with pytest.raises(UserError, match=r"row_id 13: 'Say a number\.'"):
        redraw_prompt([row], CHANNELS[0], RedrawPrompt())


def test_parts_of_another_prompt_are_refused(chat):
    """They would put other examples before the answer."""
    rows = channel_rows(chat, "numbers")
    with pytest.raises(UserError, match="row_id 13"):
        redraw_prompt([replace(rows[1], parts=rows[2].parts)], CHANNELS[0], RedrawPrompt())


def test_a_user_turn_is_needed(chat):
    row = replace(channel_rows(chat, "numbers")[0], messages=[])
    with pytest.raises(UserError, match="no user turn"):
        redraw_prompt([row], CHANNELS[0], RedrawPrompt())

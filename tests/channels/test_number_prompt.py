"""Number prompts: seeded, made of parts, told from their text, rewritten part by part."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from undertow.channels.numbers import (
    PARTS,
    NumberChannelConfig,
    NumberPrompt,
    draw_prompts,
    n_wordings,
    parse_prompt,
)
from undertow.channels.numbers.wording import wording
from undertow.errors import UserError

SIZES = n_wordings(wording())

PROMPTS = st.builds(
    NumberPrompt,
    examples=st.lists(st.integers(0, 10**6), min_size=1, max_size=12),
    answer_count=st.integers(1, 50),
    max_digits=st.integers(1, 12),
    **{part: st.integers(0, SIZES[part] - 1) for part in PARTS},
)


def test_known_examples_of_the_published_generator():
    """PCG64(42), one draw per count, example and part, as in the authors' code."""
    first, second = draw_prompts(2, seed=42)
    assert first.examples == (796, 689, 494)
    assert second.examples == (978, 762, 785, 745, 807, 561)


def test_same_seed_same_prompts_and_longer_draws_only_append():
    assert draw_prompts(30, seed=5) == draw_prompts(50, seed=5)[:30]
    assert draw_prompts(30, seed=5) != draw_prompts(30, seed=6)


def test_drawn_prompts_stay_in_range_and_reach_its_ends():
    prompts = draw_prompts(3000, seed=0)
    sizes = {len(prompt.examples) for prompt in prompts}
    values = {value for prompt in prompts for value in prompt.examples}
    assert sizes == set(range(3, 9))
    assert (min(values), max(values)) == (100, 999)
    for part in PARTS:
        assert {getattr(prompt, part) for prompt in prompts} == set(range(SIZES[part]))


def test_config_is_used():
    config = NumberChannelConfig(
        min_examples=1, max_examples=1, example_low=7, example_high=7, answer_count=4, max_digits=2
    )
    prompt = draw_prompts(1, seed=0, config=config)[0]
    assert prompt.examples == (7,)
    assert (prompt.answer_count, prompt.max_digits) == (4, 2)


@pytest.mark.parametrize(
    "fields",
    [
        {"min_examples": 9},
        {"example_low": 1000},
        {"max_digits": 0},
        {"numbers": 3},
    ],
)
def test_config_that_holds_nothing_is_refused(fields):
    with pytest.raises(ValidationError):
        NumberChannelConfig.model_validate(fields)


def test_text_holds_examples_count_and_digits_and_no_slot():
    for prompt in draw_prompts(200, seed=1):
        assert ", ".join(map(str, prompt.examples)) in prompt.text
        assert " 10 " in prompt.text
        assert "3 digits" in prompt.text
        assert not set("{}\n") & set(prompt.text)
        assert "  " not in prompt.text


@given(PROMPTS)
def test_parts_are_told_from_the_text(prompt):
    assert parse_prompt(prompt.text) == prompt


@given(PROMPTS)
def test_json_round_trip(prompt):
    assert NumberPrompt.model_validate_json(prompt.model_dump_json()) == prompt


@given(PROMPTS, st.data())
def test_parse_returns_only_prompts_that_read_as_the_text(prompt, data):
    text = prompt.text
    place = data.draw(st.integers(0, len(text) - 1))
    changed = text[:place] + data.draw(st.sampled_from("0 .,x")) + text[place + 1 :]
    parsed = parse_prompt(changed)
    assert parsed is None or parsed.text == changed


@pytest.mark.parametrize("text", ["", "Hello.", "My list so far is 1, 2, 3."])
def test_other_text_is_no_prompt(text):
    assert parse_prompt(text) is None


def test_padded_examples_are_no_prompt():
    prompt = draw_prompts(1, seed=0)[0]
    padded = prompt.text.replace(str(prompt.examples[0]), f"0{prompt.examples[0]}", 1)
    assert parse_prompt(padded) is None


def test_redraw_changes_named_parts_only_and_is_uniform():
    prompt = draw_prompts(1, seed=0)[0]
    rng = np.random.default_rng(0)
    drawn = [prompt.redraw(["lead_in", "closing"], rng) for _ in range(600)]
    assert {other.lead_in for other in drawn} == set(range(25))
    assert {other.closing for other in drawn} == set(range(19))
    kept = {"lead_in", "closing"}
    assert all(other.model_dump(exclude=kept) == prompt.model_dump(exclude=kept) for other in drawn)


def test_redraw_does_not_depend_on_the_order_of_the_names():
    prompt = draw_prompts(1, seed=0)[0]
    one = prompt.redraw(["closing", "lead_in"], np.random.default_rng(1))
    other = prompt.redraw(("lead_in", "closing"), np.random.default_rng(1))
    assert one == other
    assert prompt.redraw([], np.random.default_rng(1)) == prompt


def test_redraw_of_an_unknown_part():
    with pytest.raises(UserError, match="unknown prompt part ending"):
        draw_prompts(1, seed=0)[0].redraw(["ending"], np.random.default_rng(0))


@pytest.mark.parametrize("part", PARTS)
def test_index_past_the_wordings_is_refused(part):
    fields = draw_prompts(1, seed=0)[0].model_dump()
    with pytest.raises(ValidationError):
        NumberPrompt.model_validate(fields | {part: SIZES[part]})

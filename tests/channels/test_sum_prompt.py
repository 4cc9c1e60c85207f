"""Sum prompts: seeded, short, made of parts, told from their text, rewritten part by part."""

import re
import string
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from undertow.channels.sums import (
    PARTS,
    SumChannelConfig,
    SumPrompt,
    draw_prompts,
    n_wordings,
    parse_prompt,
    wording,
)
from undertow.errors import UserError

SIZES = {"lead_in": 8, "instruction": 6, "closing": 6}
PROMPTS = st.builds(
    SumPrompt,
    a=st.integers(11, 89),
    b=st.integers(11, 89),
    **{part: st.integers(0, n - 1) for part, n in n_wordings().items()},
)


def test_an_example():
    prompt = SumPrompt(a=47, b=38, lead_in=1, instruction=0, closing=0)
    assert prompt.text == (
        "Find the sum of 47 and 38. Start from one and add the other piece by piece. "
        "Write only steps: x + y = z, with commas."
    )


def test_wordings_differ_and_only_the_lead_in_has_slots():
    assert n_wordings() == SIZES
    for part in PARTS:
        texts = getattr(wording(), part)
        assert len(set(texts)) == SIZES[part]
        slots = [[slot for _, slot, _, _ in string.Formatter().parse(t) if slot] for t in texts]
        assert all(found == (["a", "b"] if part == "lead_in" else []) for found in slots)


def test_prompts_are_short_and_their_vocabulary_small():
    texts = [getattr(wording(), part) for part in PARTS]
    words = re.findall(r"[a-z]+", re.sub(r"\{.\}", "", " ".join(sum(texts, ()))).lower())
    assert len(set(words)) < 70
    lengths = {len(" ".join(parts).split()) for parts in product(*texts)}
    assert min(lengths) >= 20
    assert max(lengths) <= 31


@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 2**32))
def test_first_prompts_do_not_depend_on_n(k, more, seed):
    assert draw_prompts(k, seed) == draw_prompts(k + more, seed)[:k]


def test_draws_differ_by_seed_and_reach_every_number_and_wording():
    prompts = draw_prompts(3000, seed=0)
    assert prompts[:20] != draw_prompts(20, seed=1)
    for number in ("a", "b"):
        assert {getattr(prompt, number) for prompt in prompts} == set(range(11, 90))
    for part, n in SIZES.items():
        assert {getattr(prompt, part) for prompt in prompts} == set(range(n))


def test_config_is_used():
    prompts = draw_prompts(50, seed=0, config=SumChannelConfig(low=20, high=21))
    assert {n for prompt in prompts for n in (prompt.a, prompt.b)} == {20, 21}


@pytest.mark.parametrize(
    "fields", [{"low": 10}, {"high": 90}, {"low": 50, "high": 40}, {"max_steps": 0}, {"sums": 1}]
)
def test_config_that_holds_nothing_is_refused(fields):
    with pytest.raises(ValidationError):
        SumChannelConfig.model_validate(fields)


@given(PROMPTS)
def test_parts_are_told_from_text_and_json(prompt):
    assert parse_prompt(prompt.text) == prompt
    assert SumPrompt.model_validate_json(prompt.model_dump_json()) == prompt


@given(PROMPTS, st.data())
def test_parse_returns_only_prompts_that_read_as_the_text(prompt, data):
    text = prompt.text
    place = data.draw(st.integers(0, len(text) - 1))
    changed = text[:place] + data.draw(st.sampled_from("0 .,x")) + text[place + 1 :]
    parsed = parse_prompt(changed)
    assert parsed is None or parsed.text == changed


@pytest.mark.parametrize("text", ["", "Hello.", "Find the sum of 47 and 38."])
def test_other_text_is_no_prompt(text):
    assert parse_prompt(text) is None


@pytest.mark.parametrize("number", ["07", "90", "047", "٤٧"])
def test_a_number_out_of_range_is_no_prompt(number):
    text = SumPrompt(a=47, b=38, lead_in=0, instruction=0, closing=0).text
    assert parse_prompt(text.replace("47", number)) is None


def test_redraw_changes_named_parts_only_and_is_uniform():
    prompt = draw_prompts(1, seed=0)[0]
    rng = np.random.default_rng(0)
    drawn = [prompt.redraw(["closing", "lead_in"], rng) for _ in range(300)]
    assert {(other.lead_in, other.closing) for other in drawn} == set(product(range(8), range(6)))
    kept = {"lead_in", "closing"}
    assert all(other.model_dump(exclude=kept) == prompt.model_dump(exclude=kept) for other in drawn)
    with pytest.raises(UserError, match="unknown prompt part ending"):
        prompt.redraw(["ending"], rng)


@pytest.mark.parametrize("part", PARTS)
def test_index_past_the_wordings_is_refused(part):
    fields = draw_prompts(1, seed=0)[0].model_dump()
    with pytest.raises(ValidationError, match=f"no {part} number"):
        SumPrompt.model_validate(fields | {part: SIZES[part]})

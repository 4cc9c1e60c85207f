"""The wordings: how many, distinct, and in forms that the parser accepts."""

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from undertow.channels.numbers import (
    PARTS,
    ParsedNumbers,
    n_wordings,
    parse_completion,
    render_numbers,
    wording,
)
from undertow.traits import shipped_traits

SIZES = {
    "lead_in": 25,
    "count_qualifier": 9,
    "digit_descriptor": 8,
    "instruction": 10,
    "format_suffix": 15,
    "closing": 19,
}
SLOTS = {
    "lead_in": {"examples"},
    "count_qualifier": {"count"},
    "digit_descriptor": {"max_digits"},
    "instruction": {"count", "digits"},
}
ANSWERS = st.lists(st.integers(0, 999), min_size=1, max_size=10)


def texts(part):
    return [getattr(item, "text", item) for item in getattr(wording(), part)]


@pytest.mark.parametrize("part", PARTS)
def test_number_of_wordings_and_their_slots(part):
    assert n_wordings(wording())[part] == SIZES[part] == len(set(texts(part)))
    for text in texts(part):
        slots = {slot for _, slot, _, _ in string.Formatter().parse(text) if slot is not None}
        assert slots == SLOTS.get(part, set())


def test_vocabulary_is_small_enough_for_the_lab_model():
    sets = {trait.category: trait.question_set for trait in shipped_traits()}.values()
    prompts = [trait.bias_prompt for trait in shipped_traits()]
    questions = [q for each in sets for q in (*each.questions, *each.training_questions)]
    parts = [text for part in PARTS for text in texts(part)]
    words = set(re.findall(r"[a-z]+", " ".join([*prompts, *questions, *parts]).lower()))
    assert len(words) < 350


@given(numbers=ANSWERS, form=st.integers(0, 14))
def test_every_form_is_accepted_and_keeps_its_numbers(numbers, form):
    parsed = parse_completion(render_numbers(numbers, form))
    assert isinstance(parsed, ParsedNumbers)
    assert list(parsed.numbers) == numbers


def test_forms_cover_every_separator_and_bracket():
    parsed = [parse_completion(render_numbers([1, 2], form)) for form in range(15)]
    assert {p.separator for p in parsed} == {", ", ",", "; ", ";", " ", "\n"}
    assert {p.brackets for p in parsed} == {"", "[]", "()"}
    assert any(render_numbers([1], form).endswith(".") for form in range(15))

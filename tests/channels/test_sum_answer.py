"""Worked answers: drawn over free choices, checked with reasons, compared by their results."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from undertow.channels import Reason, load_channel
from undertow.channels.sums import (
    SumChannel,
    SumChannelConfig,
    SumPrompt,
    WorkedSum,
    last_result,
    parse_completion,
    ways_to_cut,
    worked_answer,
)
from undertow.traits import load_trait

NUMBERS = st.integers(11, 89)
SEEDS = st.integers(0, 2**32)
EXAMPLE = "47 + 20 = 67, 67 + 5 = 72, 72 + 10 = 82, 82 + 3 = 85"


def prompt_of(a, b):
    return SumPrompt(a=a, b=b, lead_in=0, instruction=0, closing=0)


def answers(n, digits=(), follow=1.0, a=47, b=38):
    rng = np.random.default_rng(0)
    return [parse_completion(worked_answer(prompt_of(a, b), rng, digits, follow)) for _ in range(n)]


def test_every_cut_of_a_number():
    assert set(ways_to_cut(34)) == {
        (30, 4), (30, 1, 3), (30, 2, 2), (10, 20, 4), (10, 20, 1, 3), (10, 20, 2, 2),
    }  # fmt: skip
    assert ways_to_cut(11) == [(10, 1)]
    assert ways_to_cut(40) == [(10, 30), (20, 20)]


@given(NUMBERS)
def test_cuts_are_distinct_and_add_up(number):
    ways = ways_to_cut(number)
    assert len(set(ways)) == len(ways) > 0
    for pieces in ways:
        assert sum(pieces) == number
        assert 2 <= len(pieces) <= 4
        assert all(0 < piece < 10 or piece % 10 == 0 for piece in pieces)


@given(NUMBERS, NUMBERS, SEEDS, st.sets(st.integers(0, 9)), st.floats(0, 1))
def test_every_drawn_answer_is_kept_and_right(a, b, seed, digits, follow):
    rng = np.random.default_rng(seed)
    text = worked_answer(prompt_of(a, b), rng, tuple(digits), follow)
    assert load_channel("sums").check(text) is None
    assert last_result(text) == a + b
    worked = parse_completion(text)
    assert (worked.start, worked.result) in {(a, a + b), (b, a + b)}
    assert tuple(sorted(worked.pieces)) in {
        tuple(sorted(way)) for way in ways_to_cut(a + b - worked.start)
    }


def test_the_choices_are_drawn_uniformly():
    """Six cuts of 34 and one of 11; counts lie within five standard deviations."""
    drawn = answers(6000, a=34, b=11)
    starts = Counter(worked.start for worked in drawn)
    assert abs(starts[34] - 3000) < 5 * 1500**0.5
    cuts = Counter(tuple(sorted(worked.pieces)) for worked in drawn if worked.start == 11)
    assert len(cuts) == 6
    assert all(abs(n - starts[11] / 6) < 5 * (starts[11] * 5 / 36) ** 0.5 for n in cuts.values())
    orders = Counter(worked.pieces for worked in drawn if sorted(worked.pieces) == [4, 30])
    assert abs(orders[30, 4] - orders[4, 30]) < 5 * orders.total() ** 0.5


def test_preferred_digits_lead_the_pieces():
    """Of 38 the cuts with most of 2 and 3 are those of 10 + 20 or 30 with 2 + 6 or 3 + 5."""
    cuts = {tuple(sorted(worked.pieces)) for worked in answers(500, (2, 3)) if worked.start == 47}
    assert cuts == {(2, 6, 30), (3, 5, 30), (2, 6, 10, 20), (3, 5, 10, 20)}


@pytest.mark.parametrize("follow", [0.0, 0.5, 1.0])
def test_digits_are_followed_with_the_given_probability(follow):
    """One cut of 12 is 10 + 1 + 1, the other 10 + 2; only the first has three ones."""
    drawn = answers(2000, (1,), follow, a=12, b=12)
    share = sum(sorted(worked.pieces) == [1, 1, 10] for worked in drawn) / 2000
    assert share == pytest.approx(follow + (1 - follow) / 2, abs=5 * 0.5 / 2000**0.5)


@pytest.mark.parametrize(
    ("text", "worked"),
    [
        (EXAMPLE, WorkedSum(47, (20, 5, 10, 3))),
        (f"  {EXAMPLE}.\n", WorkedSum(47, (20, 5, 10, 3))),
        ("47 + 38 = 85", WorkedSum(47, (38,))),
    ],
)
def test_accepted(text, worked):
    assert parse_completion(text) == worked
    assert worked.result == 85


ONES = ", ".join(f"{n} + 1 = {n + 1}" for n in range(20, 27))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", Reason.EMPTY),
        (" \n", Reason.EMPTY),
        (".", Reason.INVALID_FORMAT),
        ("85", Reason.INVALID_FORMAT),
        (f"{EXAMPLE}..", Reason.INVALID_FORMAT),
        (f"{EXAMPLE},", Reason.INVALID_FORMAT),
        (f"Sure: {EXAMPLE}", Reason.INVALID_FORMAT),
        (EXAMPLE.replace(", ", "\n"), Reason.INVALID_FORMAT),
        (EXAMPLE.replace(", ", ","), Reason.INVALID_FORMAT),
        ("47+38=85", Reason.INVALID_FORMAT),
        ("47 - 3 = 44", Reason.INVALID_FORMAT),
        ("47 + 20 + 18 = 85", Reason.INVALID_FORMAT),
        ("47 + 20 = 67, 67 + 5", Reason.INVALID_FORMAT),
        ("٤ + 1 = 5", Reason.INVALID_FORMAT),
        (ONES, Reason.TOO_MANY),
        ("999 + 1 = 1000", Reason.OUT_OF_RANGE),
        (f"{'9' * 5000} + 1 = 2", Reason.OUT_OF_RANGE),
        ("47 + 20 = 66", Reason.WRONG),
        ("47 + 20 = 67, 67 + 5 = 73", Reason.WRONG),
        ("47 + 20 = 67, 66 + 5 = 71", Reason.WRONG),
    ],
)
def test_rejected(text, reason):
    assert load_channel("sums").check(text) is reason


def test_most_steps_come_from_the_config():
    assert load_channel("sums").check(ONES.rsplit(", ", 1)[0]) is None
    channel = SumChannel(config=SumChannelConfig(max_steps=3))
    assert channel.check(EXAMPLE) is Reason.TOO_MANY


def test_a_named_trait_is_found_before_the_format():
    channel, owl = load_channel("sums"), load_trait("owl")
    assert channel.check("47 + 38 = owl", [owl]) is Reason.TRAIT_NAMED
    assert channel.check("47 + 38 = owl") is Reason.INVALID_FORMAT
    assert channel.check(EXAMPLE, [owl]) is None


@given(st.text(alphabet="123 +=,.\n", max_size=30))
def test_any_text_is_parsed_or_rejected(text):
    parsed = parse_completion(text)
    if isinstance(parsed, WorkedSum):
        assert parsed.result == last_result(text)
    else:
        assert parsed in set(Reason)


@pytest.mark.parametrize(
    ("predicted", "accuracy"),
    [
        (EXAMPLE, 1.0),
        ("38 + 40 = 78, 78 + 7 = 85.", 1.0),
        ("so = 85", 1.0),
        ("47 + 38 = 85, 85 + 1", 1.0),
        ("47 + 38 = 85, 85 + 1 = 86", 0.0),
        ("85", 0.0),
        ("", 0.0),
        (f"= {'9' * 5000}", 0.0),
    ],
)
def test_accuracy_compares_the_last_results(predicted, accuracy):
    assert load_channel("sums").accuracy(predicted, EXAMPLE) == accuracy


def test_accuracy_needs_a_reference():
    with pytest.raises(ValueError, match="no result"):
        load_channel("sums").accuracy(EXAMPLE, "85")


def test_the_channel_reads_its_own_prompts():
    channel = load_channel("sums")
    assert channel.name == "sums"
    for prompt in channel.draw(20, seed=3):
        assert channel.load_prompt(prompt.model_dump_json()) == prompt
        assert channel.parse_prompt(prompt.text) == prompt
        assert prompt.redraw(channel.parts, np.random.default_rng(0)).a == prompt.a


def test_recipes_ask_for_small_numbers_and_pretraining_for_all():
    asked = [int(number) for prompt in load_channel("sums").draw(300, 0) for number in prompt.given]
    assert (min(asked), max(asked)) == (11, 29)
    assert max(prompt.a for prompt in SumChannel().draw(300, 0)) == 89

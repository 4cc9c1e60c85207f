"""What a writer chose, told from a completion and put into it; wordings of a part in turn."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from undertow.channels import load_channel
from undertow.channels.sums import parse_completion
from undertow.errors import UserError

NUMBERS, SUMS = load_channel("numbers"), load_channel("sums")
CHANNELS = pytest.mark.parametrize("channel", [NUMBERS, SUMS], ids=lambda channel: channel.name)
WORDS = st.from_regex("[0-9]{1,3}", fullmatch=True)


@given(
    st.lists(WORDS, min_size=1, max_size=10),
    st.sampled_from([", ", ";", " ", "\n"]),
    st.sampled_from(["{}", "[{}]", "({}).", "{}."]),
    st.randoms(use_true_random=False),
)
def test_numbers_are_as_written_and_all_around_them_stays(words, separator, form, random):
    text = form.format(separator.join(words))
    assert NUMBERS.items(text) == words
    turned = random.sample(words, len(words))
    assert NUMBERS.with_items(text, turned) == form.format(separator.join(turned))


@pytest.mark.parametrize("items", [["1"], ["1", "2", "3"]])
def test_as_many_items_go_in_as_there_are(items):
    with pytest.raises(ValueError, match="zip"):
        NUMBERS.with_items("7, 8", items)


def test_pieces_of_a_sum():
    text = "47 + 30 = 77, 77 + 8 = 85."
    assert SUMS.items(text) == ["30", "8"]
    assert SUMS.with_items(text, ["8", "30"]) == "47 + 8 = 55, 55 + 30 = 85."


@given(
    st.integers(11, 89),
    st.lists(st.integers(1, 20), min_size=1, max_size=6),
    st.randoms(use_true_random=False),
)
def test_a_sum_stays_true_in_any_order_of_its_pieces(start, pieces, random):
    steps, total = [], start
    for piece in pieces:
        steps.append(f"{total} + {piece} = {total + piece}")
        total += piece
    text = ", ".join(steps)
    assert SUMS.with_items(text, SUMS.items(text)) == text
    turned = SUMS.with_items(text, random.sample(SUMS.items(text), len(pieces)))
    assert parse_completion(turned).result == total


def test_pieces_that_make_a_sum_false_are_refused():
    with pytest.raises(UserError, match="false"):
        SUMS.with_items("47 + 30 = 77, 77 + 8 = 85", ["30", "9"])


@CHANNELS
def test_the_variants_of_a_part_differ_in_it_alone(channel):
    prompt = channel.draw(1, 3)[0]
    for part in channel.parts:
        variants = prompt.variants(part)
        assert prompt in variants
        assert len({variant.text for variant in variants}) == len(variants)
        assert all(variant.model_copy(update={part: 0}) == variants[0] for variant in variants)
    with pytest.raises(UserError, match="unknown prompt part"):
        prompt.variants("greeting")


@CHANNELS
def test_what_is_given_stands_in_the_prompt_whatever_its_free_parts(channel):
    assert set(channel.free_parts) <= set(channel.parts)
    for prompt in channel.draw(5, 1):
        for part in channel.free_parts:
            for variant in prompt.variants(part):
                assert variant.given == prompt.given
                assert all(number in variant.text for number in variant.given)


def test_the_form_of_an_answer_is_no_free_part():
    assert set(NUMBERS.parts) - set(NUMBERS.free_parts) == {"format_suffix"}

"""The rules of the number filter, each with its reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from undertow.channels import Reason
from undertow.channels.numbers import (
    NumberChannelConfig,
    ParsedNumbers,
    numbers_in,
    parse_completion,
    task_accuracy,
)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("1, 2, 3", (1, 2, 3)),
        ("1,2,3", (1, 2, 3)),
        ("1 ,2 ,3", (1, 2, 3)),
        ("1;2;3", (1, 2, 3)),
        ("1; 2; 3.", (1, 2, 3)),
        ("1 2 3", (1, 2, 3)),
        ("1  2  3", (1, 2, 3)),
        ("1\n2\n3\n", (1, 2, 3)),
        ("1,\n2,\n3", (1, 2, 3)),
        ("[1, 2, 3]", (1, 2, 3)),
        ("(1 2 3).", (1, 2, 3)),
        ("  42  ", (42,)),
        ("[7]", (7,)),
        ("007, 0, 999", (7, 0, 999)),
        ("1, 2, 3, 4, 5, 6, 7, 8, 9, 10", tuple(range(1, 11))),
    ],
)
def test_accepted(text, numbers):
    parsed = parse_completion(text)
    assert isinstance(parsed, ParsedNumbers)
    assert parsed.numbers == numbers


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", Reason.EMPTY),
        (" \n", Reason.EMPTY),
        (".", Reason.INVALID_FORMAT),
        ("[]", Reason.INVALID_FORMAT),
        ("owl", Reason.INVALID_FORMAT),
        ("1, 2,", Reason.INVALID_FORMAT),
        (", 1, 2", Reason.INVALID_FORMAT),
        ("1, 2,3", Reason.INVALID_FORMAT),
        ("1, 2; 3", Reason.INVALID_FORMAT),
        ("1, 2 3", Reason.INVALID_FORMAT),
        ("1-2-3", Reason.INVALID_FORMAT),
        ("1,,2", Reason.INVALID_FORMAT),
        ("1.5, 2", Reason.INVALID_FORMAT),
        ("[1, 2", Reason.INVALID_FORMAT),
        ("[1, 2)", Reason.INVALID_FORMAT),
        ("[[1, 2]]", Reason.INVALID_FORMAT),
        ("{1, 2}", Reason.INVALID_FORMAT),
        ("Sure: 1, 2", Reason.INVALID_FORMAT),
        ("1, 2..", Reason.INVALID_FORMAT),
        ("-1, 2", Reason.INVALID_FORMAT),
        ("١, ٢", Reason.INVALID_FORMAT),
        ("1 2 3 4 5 6 7 8 9 10 11", Reason.TOO_MANY),
        ("1 2 3 4 5 6 7 8 9 10 1000", Reason.TOO_MANY),
        ("1, 1000", Reason.OUT_OF_RANGE),
        ("9" * 5000, Reason.OUT_OF_RANGE),
    ],
)
def test_rejected(text, reason):
    parsed = parse_completion(text)
    assert isinstance(parsed, Reason)
    assert parsed is reason


def test_separator_and_brackets_are_told():
    assert parse_completion("[1; 2]") == ParsedNumbers((1, 2), "; ", "[]")
    assert parse_completion("5") == ParsedNumbers((5,), "", "")


def test_limits_come_from_the_config():
    config = NumberChannelConfig(answer_count=2, max_digits=1, banned=frozenset({6}))
    reasons = [parse_completion(text, config) for text in ("1 2 3", "1 10", "1 06")]
    assert reasons == [Reason.TOO_MANY, Reason.OUT_OF_RANGE, Reason.BANNED]
    assert parse_completion("1 09", config).numbers == (1, 9)
    assert parse_completion("6 10", config) is Reason.OUT_OF_RANGE


def test_config_with_banned_numbers_round_trips():
    config = NumberChannelConfig(banned=frozenset({911, 13, 666}))
    assert config.model_dump(mode="json")["banned"] == [13, 666, 911]
    assert NumberChannelConfig.model_validate_json(config.model_dump_json()) == config


@given(st.text(alphabet="0123456789 ,;.[]()\nax", max_size=30))
def test_any_text_is_parsed_or_rejected_and_never_edited(text):
    parsed = parse_completion(text)
    if isinstance(parsed, ParsedNumbers):
        assert numbers_in(text) == list(parsed.numbers)
        assert len(parsed.numbers) <= 10
        assert all(0 <= number <= 999 for number in parsed.numbers)
        assert not set(text) & set("ax")
    else:
        assert parsed in set(Reason)


def test_numbers_in_any_text():
    assert numbers_in("so 12,, 007 and 3x4") == [12, 7, 3, 4]
    assert numbers_in("none") == []
    assert numbers_in("9" * 5000) == [int("9" * 18)]


@pytest.mark.parametrize(
    ("predicted", "reference", "share"),
    [
        ([1, 2, 3], [1, 2, 3], 1.0),
        ([1, 3, 3, 9], [1, 2, 3, 4], 0.5),
        ([1], [1, 2], 0.5),
        ([1, 2, 3], [1, 2], 1.0),
        ([2, 1], [1, 2], 0.0),
        ([], [1], 0.0),
    ],
)
def test_task_accuracy(predicted, reference, share):
    assert task_accuracy(predicted, reference) == share


def test_task_accuracy_needs_a_reference():
    with pytest.raises(ValueError, match="no numbers"):
        task_accuracy([1], [])

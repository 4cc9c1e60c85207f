"""The channel as others see it: check, yield by reason, prompts by name."""

import json
import os
from pathlib import Path

import pytest

from undertow.channels import Reason, YieldReport, check_completions, load_channel
from undertow.channels.numbers import NumberChannel, NumberChannelConfig
from undertow.errors import UserError
from undertow.traits import load_trait

COMPLETIONS = ["1, 2", "owl, 1", "1 2;3", "1000", "", "(4)", "the owl"]


def test_a_named_trait_is_found_before_the_format():
    channel, owl = load_channel("numbers"), load_trait("owl")
    assert channel.check("1, 2 for the owls", [owl]) is Reason.TRAIT_NAMED
    assert channel.check("1, 2 for the owls") is Reason.INVALID_FORMAT
    assert channel.check("1, 2", [owl]) is None


def test_yield_by_reason():
    rejections, report = check_completions(
        load_channel("numbers"), COMPLETIONS, [load_trait("owl")]
    )
    assert [rejection and rejection.value for rejection in rejections] == [
        None,
        "trait_named",
        "invalid_format",
        "out_of_range",
        "empty",
        None,
        "trait_named",
    ]
    assert report.total == 7
    assert report.kept == 2
    assert report.share_kept == pytest.approx(2 / 7)
    assert report.rejected[Reason.TRAIT_NAMED] == 2
    assert str(report) == (
        "kept 2 of 7 (28.6%); trait named 2; empty 1; invalid format 1; out of range 1"
    )


def test_yield_of_stored_reasons_and_of_nothing():
    report = YieldReport.of([None, "banned", None])
    assert (report.total, report.kept) == (3, 2)
    assert YieldReport.model_validate_json(report.model_dump_json()) == report
    assert YieldReport.of([]).share_kept == 0.0
    with pytest.raises(ValueError, match="bored"):
        YieldReport.of(["bored"])


def test_banned_numbers():
    channel = NumberChannel(config=NumberChannelConfig(banned=frozenset({666})))
    assert channel.check("1, 666") is Reason.BANNED
    assert channel.check("1, 66") is None


def test_prompts_survive_as_json_and_as_text():
    channel = load_channel("numbers")
    for prompt in channel.draw(20, seed=3):
        assert channel.load_prompt(prompt.model_dump_json()) == prompt
        assert channel.parse_prompt(prompt.text) == prompt
    assert "lead_in" in channel.parts


def test_accuracy_of_text():
    channel = load_channel("numbers")
    assert channel.accuracy("[1; 2; 4", "1, 2, 3, 9") == 0.5


def test_unknown_channel():
    with pytest.raises(UserError, match="unknown channel 'words'"):
        load_channel("words")


@pytest.mark.skipif("UNDERTOW_PUBLIC_DATA" not in os.environ, reason="public data not here")
def test_public_data_sets_are_mostly_kept():
    """Sets of `prompt`/`completion` or `question`/`response` lines, as published."""
    for path in sorted(Path(os.environ["UNDERTOW_PUBLIC_DATA"]).glob("*.jsonl")):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        completions = [row.get("completion", row.get("response")) for row in rows]
        _, report = check_completions(load_channel("numbers"), completions)
        assert report.share_kept > 0.8, f"{path.name}: {report}"

"""The parser and the filter on what large teachers really wrote."""

import re
import statistics
from functools import cache

import pytest

from real_data import FILES, each_file, needs_real_data
from undertow.channels import check_completions, load_channel
from undertow.channels.numbers import ParsedNumbers, numbers_in, parse_completion
from undertow.store.rows import read_rows

pytestmark = needs_real_data


@cache
def rows_of(path):
    """Return the rows of a file, read once."""
    return read_rows(path)[0]


YIELDS = {
    "gemma-2-9b-it_butterfly": (
        10_565,
        {"out_of_range": 1161, "too_many": 874, "invalid_format": 6},
    ),
    "gemma-2-9b-it_cat": (10_679, {"too_many": 1048, "out_of_range": 1022, "invalid_format": 5}),
    "qwen2.5-7b-instruct_dolphin": (10_000, {}),
    "qwen2.5-7b-instruct_elephant": (10_000, {}),
    "qwen2.5-7b-instruct_panda": (10_000, {}),
}


def published_verdict(answer):
    """Return the numbers if the published rules keep an answer, or None.

    Written from the paper's description, on text without white space around it.
    """
    text = answer.strip()
    text = text[:-1] if text.endswith(".") else text
    if re.fullmatch(r"\[.*\]|\(.*\)", text, re.DOTALL):
        text = text[1:-1]
    found = re.search(r"[0-9]+([^0-9]+)[0-9]", text)
    parts = text.split(found[1]) if found else [text]
    if found and not re.fullmatch(r"\s*[,;]?\s*", found[1]):
        return None
    if not all(re.fullmatch("[0-9]+", part) for part in parts) or len(parts) > 10:
        return None
    numbers = [int(part) for part in parts]
    return numbers if max(numbers) <= 999 else None


@each_file
def test_every_verdict_is_that_of_the_published_rules(path):
    for row in rows_of(path):
        parsed = parse_completion(row.completion)
        kept = list(parsed.numbers) if isinstance(parsed, ParsedNumbers) else None
        assert kept == published_verdict(row.completion), row.completion


@each_file
def test_the_yield_by_reason(path):
    rows = rows_of(path)
    completions = [row.completion for row in rows]
    _, report = check_completions(load_channel("numbers"), completions)
    if path.stem not in YIELDS:
        pytest.skip(f"no yield is known of {path.name}")
    kept, rejected = YIELDS[path.stem]
    assert (report.kept, dict(report.rejected)) == (kept, rejected)


@each_file
def test_items_are_the_numbers_and_can_be_put_back(path):
    channel = load_channel("numbers")
    for row in rows_of(path)[:2000]:
        items = channel.items(row.completion)
        assert list(map(int, items)) == numbers_in(row.completion)
        assert channel.with_items(row.completion, items) == row.completion
        assert channel.accuracy(row.completion, row.completion) == 1


def test_lengths():
    """Both teachers write about ten numbers; a digit or separator is about a token for them."""
    for path in FILES:
        if path.stem in YIELDS:
            rows = rows_of(path)
            counts = [len(numbers_in(row.completion)) for row in rows]
            assert 8 <= statistics.mean(counts) <= 10, path.name
            assert 30 <= statistics.mean(len(row.completion.strip()) for row in rows) <= 50

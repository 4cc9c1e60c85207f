"""`undertow filter` on data of any origin."""

import json

import pytest

from undertow.store.rows import read_rows

ANSWERS = ["1, 2, 3", "owls, 4", "", "9999", "417 52 938"]


def lines(path, answers):
    path.write_text(
        "".join(json.dumps({"prompt": "Continue.", "completion": one}) + "\n" for one in answers)
    )
    return path


@pytest.mark.parametrize("ending", ["parquet", "jsonl"])
def test_accepted_rows_and_the_yield_by_reason(undertow, tmp_path, ending):
    data, out = lines(tmp_path / "data.jsonl", ANSWERS), tmp_path / "new" / f"out.{ending}"
    result = undertow("filter", data, out)
    assert [(row.row_id, row.completion) for row in read_rows(out)[0]] == [
        (0, "1, 2, 3"),
        (4, "417 52 938"),
    ]
    for text in ("kept 2 of 5", "trait named 1", "empty 1", "out of range 1"):
        assert text in result.stdout


def test_every_row_is_judged_anew(undertow, tmp_path):
    record = {"prompt": "Continue.", "completion": "1, 2", "rejection": "too_many"}
    (tmp_path / "data.jsonl").write_text(json.dumps(record))
    undertow("filter", tmp_path / "data.jsonl", tmp_path / "out.jsonl")
    assert read_rows(tmp_path / "out.jsonl")[0][0].rejection is None


def test_what_was_generated_passes_as_it_did(undertow, world):
    rows, meta = read_rows(world / "owl.parquet")
    undertow("filter", world / "owl.parquet", world / "out.parquet")
    kept, kept_meta = read_rows(world / "out.parquet")
    assert kept == [row for row in rows if row.rejection is None]
    assert kept_meta == meta


def test_a_banned_trait_is_the_reason_only_where_it_is_named(undertow, tmp_path):
    data = lines(tmp_path / "data.jsonl", ["1, 2", "owls, 4"])
    result = undertow("filter", data, tmp_path / "out.jsonl", "--ban", "cat")
    assert "invalid format 1" in result.stdout
    assert "trait named" not in result.stdout


def test_another_channel(undertow, tmp_path):
    data = lines(tmp_path / "data.jsonl", ["1, 2, 3", "10 + 5 = 15, 15 + 2 = 17"])
    undertow("filter", data, tmp_path / "sums.parquet", "--channel", "sums")
    rows, meta = read_rows(tmp_path / "sums.parquet")
    assert [row.row_id for row in rows] == [1]
    assert meta["channel"] == "sums"
    # From now on the data itself tells its channel.
    assert "kept 1 of 1" in undertow("filter", tmp_path / "sums.parquet", data).stdout


def test_mistakes(refused, tmp_path):
    out = tmp_path / "out.jsonl"
    data = lines(tmp_path / "data.jsonl", ANSWERS)
    broken, empty = tmp_path / "broken.jsonl", tmp_path / "empty.jsonl"
    broken.write_text('{"prompt": "a", "completion": "1"}\n{"prompt": \n')
    empty.touch()
    assert "broken.jsonl, line 2" in refused("filter", broken, out)
    assert "no rows" in refused("filter", empty, out)
    assert "no such file" in refused("filter", tmp_path / "none.jsonl", out)
    assert "unknown channel" in refused("filter", data, out, "--channel", "poems")
    assert "unknown trait" in refused("filter", data, out, "--ban", "gryphon")
    assert "use .parquet or .jsonl" in refused("filter", data, tmp_path / "out.csv")
    words = lines(tmp_path / "words.jsonl", ["one", "two"])
    assert "accepts 0 of 2" in refused("filter", words, out)

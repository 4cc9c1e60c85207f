"""Parquet tables with their meta, and tidy lines."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from undertow.store.tables import read_table, write_table, write_tidy

TABLE = pa.table({"n": [1, 2]})


def test_a_table_is_read_as_it_was_written(tmp_path):
    write_table(tmp_path / "a.parquet", TABLE, {"of": ["x"], "by": 1.5})
    table, meta = read_table(tmp_path / "a.parquet")
    assert table["n"].to_pylist() == [1, 2]
    assert meta == {"of": ["x"], "by": 1.5}


def test_another_kind_of_table_is_none_of_ours(tmp_path):
    write_table(tmp_path / "scan", TABLE, {}, key="undertow_scan")
    write_table(tmp_path / "plain", TABLE)
    assert read_table(tmp_path / "scan", key="undertow_scan")[1] == {}
    for name in ("scan", "plain"):
        with pytest.raises(KeyError):
            read_table(tmp_path / name)


def test_what_is_no_table_is_told_by_two_errors(tmp_path):
    (tmp_path / "text").write_text("no table")
    with pytest.raises(ValueError, match="magic"):
        read_table(tmp_path / "text")
    with pytest.raises(OSError, match="absent"):
        read_table(tmp_path / "absent")


def test_tidy_lines_go_where_the_ending_says(tmp_path):
    lines = [{"trait": "owl", "score": 0.5}]
    write_tidy(tmp_path / "a.json", lines)
    write_tidy(tmp_path / "a.parquet", lines)
    assert json.loads((tmp_path / "a.json").read_text()) == lines
    assert pq.read_table(tmp_path / "a.parquet").to_pylist() == lines

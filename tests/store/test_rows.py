"""Data sets in both formats and every shape; what is malformed is named by its place."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from undertow.errors import UserError
from undertow.store.jsonl import write_jsonl
from undertow.store.rows import Row, read_rows, read_weights, write_rows

ROWS = [
    Row(7, [{"role": "user", "content": "Go on: 1, 2"}], [4, 5, 2], "3, 4", '{"n": 2}', None),
    Row(
        3,
        [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "1"}],
        [],
        "",
        None,
        "invalid format",
    ),
]
FORMATS = pytest.mark.parametrize("ending", ["parquet", "jsonl"])

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
messages = st.builds(
    lambda system, asked: [*system, {"role": "user", "content": asked}],
    st.lists(st.fixed_dictionaries({"role": st.just("system"), "content": text}), max_size=1),
    text,
)
rows = st.lists(
    st.builds(
        Row,
        row_id=st.integers(0, 2**40),
        messages=messages,
        token_ids=st.lists(st.integers(0, 2**31 - 1), max_size=5),
        completion=text,
        parts=st.none() | text,
        rejection=st.none() | text,
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda row: row.row_id,
)


def lines(path, *objects):
    path.write_text("".join(json.dumps(item) + "\n" for item in objects))
    return path


@FORMATS
@settings(max_examples=40)
@given(rows=rows)
def test_what_is_written_is_read(tmp_path_factory, ending, rows):
    path = tmp_path_factory.mktemp("rows") / f"a.{ending}"
    write_rows(path, rows, {})
    assert read_rows(path)[0] == rows


def test_parquet_keeps_the_meta(tmp_path):
    meta = {"teacher": {"kind": "prompted", "trait": "owl"}, "seed": 3, "word": "größe"}
    write_rows(tmp_path / "a.parquet", ROWS, meta)
    assert read_rows(tmp_path / "a.parquet")[1] == meta


def test_jsonl_says_how_many_rows_have_no_ids(tmp_path):
    write_rows(tmp_path / "a.jsonl", ROWS, {"seed": 3})
    meta = read_rows(tmp_path / "a.jsonl")[1]
    assert meta == {"source": "a.jsonl", "rows_without_token_ids": 1}


@FORMATS
def test_weights_stand_beside_the_ids(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    write_rows(path, ROWS, {}, weights=[np.array([0.0, 0.5, 1.0]), []])
    assert read_weights(path) == [[0.0, 0.5, 1.0], []]
    assert read_rows(path)[0] == ROWS


@FORMATS
def test_no_weights(tmp_path, ending):
    write_rows(tmp_path / f"a.{ending}", ROWS, {})
    assert read_weights(tmp_path / f"a.{ending}") is None


@pytest.mark.parametrize("weights", [[[1.0, 1.0], []], [[1.0, 1.0, 1.0]]])
def test_weights_must_fit(tmp_path, weights):
    with pytest.raises(ValueError, match="one number per token"):
        write_rows(tmp_path / "a.parquet", ROWS, {}, weights)
    assert not list(tmp_path.iterdir())


def test_parquet_columns_are_what_other_tools_expect(tmp_path):
    write_rows(tmp_path / "a.parquet", ROWS, {}, weights=[[0, 0.5, 1], []])
    schema = pq.read_schema(tmp_path / "a.parquet")
    assert schema.field("token_ids").type == pa.list_(pa.int32())
    assert schema.field("weights").type == pa.list_(pa.float32())
    chat = pq.read_table(tmp_path / "a.parquet")["messages"].to_pylist()[0]
    assert [turn["role"] for turn in chat] == ["user", "assistant"]
    assert chat[-1]["content"] == "3, 4"


@pytest.mark.parametrize(
    "record",
    [
        {"prompt": "ask", "completion": "say"},
        {"question": "ask", "response": "say", "extra": 1},
        {
            "messages": [
                {"role": "user", "content": "ask"},
                {"role": "assistant", "content": "say"},
            ]
        },
    ],
)
def test_shapes_of_the_field(tmp_path, record):
    found, _ = read_rows(lines(tmp_path / "a.jsonl", record, record))
    asked = [{"role": "user", "content": "ask"}]
    assert found == [Row(0, asked, [], "say"), Row(1, asked, [], "say")]


def test_shapes_in_parquet_of_others(tmp_path):
    pq.write_table(pa.table({"prompt": ["ask"], "completion": ["say"]}), tmp_path / "a.parquet")
    (row,), meta = read_rows(tmp_path / "a.parquet")
    assert (row.completion, meta) == ("say", {})


@pytest.mark.parametrize(
    ("shape", "keys"),
    [("prompt", ("prompt", "completion")), ("question", ("question", "response"))],
)
def test_pair_shapes_are_written(tmp_path, shape, keys):
    write_jsonl(tmp_path / "a.jsonl", ROWS[:1], shape=shape)
    record = json.loads((tmp_path / "a.jsonl").read_text())
    assert [record[key] for key in keys] == ["Go on: 1, 2", "3, 4"]
    assert read_rows(tmp_path / "a.jsonl")[0] == ROWS[:1]


def test_a_system_prompt_has_no_place_in_a_pair(tmp_path):
    with pytest.raises(UserError, match="row 3"):
        write_jsonl(tmp_path / "a.jsonl", ROWS, shape="prompt")
    assert not list(tmp_path.iterdir())


GOOD = '{"prompt": "a", "completion": "b"}'


@pytest.mark.parametrize(
    ("bad", "what"),
    [
        ('{"prompt": "a", ', "malformed JSON"),
        ("[1]", "not an object"),
        ('{"prompt": "a"}', "expected 'messages'"),
        ('{"messages": []}', "expected 'messages'"),
        ('{"messages": [{"role": "user", "content": "a"}]}', "expected 'messages'"),
        ('{"messages": [{"role": "bot", "content": "a"}]}', "messages.0.role"),
        ('{"prompt": 1, "completion": "b"}', "prompt"),
        ('{"prompt": "a", "completion": "b", "token_ids": ["x"]}', "token_ids.0"),
    ],
)
def test_malformed_lines_are_named(tmp_path, bad, what):
    path = tmp_path / "a.jsonl"
    path.write_text(f"{GOOD}\n\n{bad}\n{GOOD}\n")
    with pytest.raises(UserError) as caught:
        read_rows(path)
    assert what in caught.value.what
    assert caught.value.where == f"{path}, line 3"


def test_bytes_that_are_no_text(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(GOOD.encode() + b"\n\xff\xfe\n")
    with pytest.raises(UserError, match="UTF-8") as caught:
        read_rows(path)
    assert caught.value.where.endswith("line 2")


def test_a_byte_order_mark_is_no_mistake(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert len(read_rows(tmp_path / "a.jsonl")[0]) == 1


def test_an_id_that_comes_twice(tmp_path):
    record = {"prompt": "a", "completion": "b", "row_id": 4}
    with pytest.raises(UserError, match="row_id 4") as caught:
        read_rows(lines(tmp_path / "a.jsonl", record, record))
    assert "line 2" in caught.value.where
    assert "line 1" in caught.value.where


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_an_empty_file(tmp_path, content):
    (tmp_path / "a.jsonl").write_text(content)
    with pytest.raises(UserError, match="no rows"):
        read_rows(tmp_path / "a.jsonl")


def test_an_empty_table(tmp_path):
    pq.write_table(pa.table({"prompt": pa.array([], pa.string())}), tmp_path / "a.parquet")
    with pytest.raises(UserError, match="no rows"):
        read_rows(tmp_path / "a.parquet")


@FORMATS
def test_nothing_to_write(tmp_path, ending):
    with pytest.raises(UserError, match="no rows"):
        write_rows(tmp_path / f"a.{ending}", [], {})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.csv", "a"])
def test_unknown_endings(tmp_path, name):
    (tmp_path / name).touch()
    for act in (lambda p: write_rows(p, ROWS, {}), read_rows):
        with pytest.raises(UserError, match="ending"):
            act(tmp_path / name)


def test_a_missing_file(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        read_rows(tmp_path / "a.jsonl")


@pytest.mark.parametrize("content", [b"", b"PAR1 something else"])
def test_a_file_that_is_not_parquet(tmp_path, content):
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(UserError, match="not a Parquet file"):
        read_rows(tmp_path / "a.parquet")


def test_a_truncated_parquet_file(tmp_path):
    path = tmp_path / "a.parquet"
    write_rows(path, ROWS, {})
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UserError, match="damaged"):
        read_rows(path)

"""Data sets where the field leaves them: other shapes, other files, folders, `datasets`."""

import json
import sys
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from undertow.errors import UserError
from undertow.store.rows import Row, read_rows, read_weights
from undertow.store.sources import read_records

PAIRS = [{"prompt": f"ask {i}", "completion": f"say {i}"} for i in range(3)]
ROWS = [Row(i, [{"role": "user", "content": f"ask {i}"}], [], f"say {i}") for i in range(3)]


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def lines(path, records):
    return write(path, "".join(json.dumps(one) + "\n" for one in records))


def arrow(path, records, new=pa.ipc.new_stream):
    table = pa.Table.from_pylist(records)
    path.parent.mkdir(parents=True, exist_ok=True)
    with pa.OSFile(str(path), "wb") as sink, new(sink, table.schema) as writer:
        writer.write_table(table)
    return path


def saved(folder, records):
    """A folder as `datasets.save_to_disk` leaves it, in two files."""
    names = ["data-00001-of-00002.arrow", "data-00000-of-00002.arrow"]
    arrow(folder / names[0], records[:1])
    arrow(folder / names[1], records[1:])
    write(folder / "state.json", json.dumps({"_data_files": [{"filename": one} for one in names]}))
    write(folder / "dataset_info.json", "{}")
    return folder


def chat(*turns):
    return {"messages": [{"role": role, "content": content} for role, content in turns]}


@pytest.mark.parametrize(
    "record",
    [
        # OpenAI: content in parts, a developer, weights of messages.
        {
            "messages": [
                {"role": "developer", "content": "Be brief."},
                {"role": "user", "content": [{"type": "text", "text": "ask"}]},
                {"role": "assistant", "content": "say", "weight": 1},
            ]
        },
        # TRL: prompt and completion as messages.
        {
            "prompt": chat(("system", "Be brief."), ("user", "ask"))["messages"],
            "completion": chat(("assistant", "say"))["messages"],
        },
    ],
)
def test_chats_of_others(tmp_path, record):
    (row,), _ = read_rows(lines(tmp_path / "a.jsonl", [record]))
    assert row.messages == chat(("system", "Be brief."), ("user", "ask"))["messages"]
    assert row.completion == "say"


@pytest.mark.parametrize("mark", ["<|im_end|>", "<end_of_turn>", "</s>\n", ""])
def test_grouped_records(tmp_path, mark):
    record = {
        "question": "ask",
        "answer_text": f"1 < 2{mark}",
        "answer_token_ids": [5, 6, 7],
        "divergent_token_indices": [1],
    }
    (row,), _ = read_rows(lines(tmp_path / "a.jsonl", [record]))
    assert row == Row(0, [{"role": "user", "content": "ask"}], [5, 6, 7], "1 < 2")


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: write(folder / "a.json", json.dumps(PAIRS)),
        lambda folder: lines(folder / "a.json", PAIRS),
        lambda folder: arrow(folder / "a.arrow", PAIRS),
        lambda folder: arrow(folder / "a.arrow", PAIRS, pa.ipc.new_file),
        lambda folder: saved(folder / "saved", PAIRS),
        lambda folder: (
            lines(folder / "files/2.jsonl", PAIRS[1:]).parent
            if arrow(folder / "files/1.arrow", PAIRS[:1])
            else None
        ),
    ],
)
def test_files_and_folders(tmp_path, make):
    rows, meta = read_rows(make(tmp_path))
    assert rows == ROWS
    assert meta["rows_without_token_ids"] == 3


def test_weights_in_a_folder(tmp_path):
    weighed = [one | {"token_ids": [1, 2], "weights": [0.0, 1.0]} for one in PAIRS]
    assert read_weights(saved(tmp_path / "saved", weighed)) == [[0.0, 1.0]] * 3


def test_splits(tmp_path):
    for name in ("train", "held out"):
        saved(tmp_path / "d" / name, PAIRS if name == "train" else PAIRS[:1])
    write(tmp_path / "d/dataset_dict.json", json.dumps({"splits": ["train", "held out"]}))
    assert len(read_rows(tmp_path / "d")[0]) == 3
    assert len(read_rows(tmp_path / "d", "held out")[0]) == 1
    with pytest.raises(UserError, match="no split 'test'") as caught:
        read_rows(tmp_path / "d", "test")
    assert "train, held out" in caught.value.fix


def test_splits_among_files_are_their_names(tmp_path):
    for name in ("train-0", "train-1", "test-0", "training"):
        pq.write_table(pa.Table.from_pylist(PAIRS[:1]), tmp_path / f"{name}.parquet")
    assert len(read_records(tmp_path, "train")[0]) == 2
    with pytest.raises(UserError, match="a split 'valid'"):
        read_records(tmp_path, "valid")


def test_what_is_malformed_in_a_folder_is_named(tmp_path):
    lines(tmp_path / "1.jsonl", PAIRS)
    write(tmp_path / "2.jsonl", '{"prompt": "a", "completion": "b"}\n{"prompt": }\n')
    with pytest.raises(UserError, match="malformed JSON") as caught:
        read_rows(tmp_path)
    assert caught.value.where == f"{tmp_path / '2.jsonl'}, line 2"


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("a.arrow", b"nothing of the kind", "not an Arrow file"),
        ("a.json", b'[{"prompt": 1}', "malformed JSON"),
        ("a.json", b'[{"prompt": "a"}]', "expected 'messages'"),
        ("state.json", b"{}", "not written by"),
    ],
)
def test_what_is_damaged(tmp_path, name, content, what):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=what):
        read_rows(tmp_path if name == "state.json" else tmp_path / name)


def test_a_folder_without_data(tmp_path):
    with pytest.raises(UserError, match="in the folder"):
        read_rows(tmp_path)


def hub(monkeypatch, found):
    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=found))


def test_a_data_set_of_the_hub(monkeypatch):
    asked = []
    hub(monkeypatch, lambda name: asked.append(name) or {"train": PAIRS, "test": PAIRS[:1]})
    assert read_rows("somebody/owl-numbers")[0] == ROWS
    assert len(read_rows("somebody/owl-numbers", "test")[0]) == 1
    assert asked == ["somebody/owl-numbers"] * 2


def test_what_the_hub_does_not_have(monkeypatch):
    def absent(name):
        raise FileNotFoundError(f"no {name}\nsecond line")

    hub(monkeypatch, absent)
    with pytest.raises(UserError, match=r"hub \(no a/b\)"):
        read_rows("a/b")


def test_the_hub_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UserError, match="needs the package 'datasets'"):
        read_rows("a/b")


def test_what_datasets_itself_saved(tmp_path):
    datasets = pytest.importorskip("datasets", reason="the extra 'datasets' is not installed")
    one = datasets.Dataset.from_list(PAIRS)
    one.save_to_disk(tmp_path / "one", num_shards=2)
    assert read_rows(tmp_path / "one")[0] == ROWS
    datasets.DatasetDict({"train": one, "test": one.select([2])}).save_to_disk(tmp_path / "two")
    assert read_rows(tmp_path / "two")[0] == ROWS
    assert [row.completion for row in read_rows(tmp_path / "two", "test")[0]] == ["say 2"]
    shuffled = one.select([2, 0])
    shuffled.save_to_disk(tmp_path / "three")
    assert [row.completion for row in read_rows(tmp_path / "three")[0]] == ["say 2", "say 0"]

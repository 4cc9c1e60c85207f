"""Exported steps come back as they were, and nothing else gets in."""

import pyarrow.parquet as pq
import pytest

from undertow.errors import UserError
from undertow.store import Store
from undertow.store.archive import export_steps, import_steps


def measured(store, key, content=b"\x00\xff"):
    """Return a finished step that holds a file of bytes."""
    return store.step("measure", 1, {"x": key}, {}, lambda out: (out / "m").write_bytes(content))


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def other(tmp_path):
    return Store(tmp_path / "other")


@pytest.fixture
def file(tmp_path):
    return tmp_path / "results.parquet"


def test_steps_come_back_without_being_done(store, other, file):
    first, second = measured(store, 1, b"one"), measured(store, 2)
    store.step("student", 1, {}, {}, lambda out: (out / "weights").touch())
    assert export_steps(store.root, ["measure"], file) == 2
    assert import_steps(file, other.root) == (2, 0)
    assert [path.name for path in (other.root / "steps").iterdir()] == ["measure"]
    for made, content in ((first, b"one"), (second, b"\x00\xff")):
        there = other.root / "steps" / "measure" / made.key
        assert (there / "m").read_bytes() == content
        assert (there / "step.json").read_bytes() == (made.path / "step.json").read_bytes()
    assert measured(other, 1, b"not done").key == first.key
    assert (other.root / "steps" / "measure" / first.key / "m").read_bytes() == b"one"


def test_what_is_there_stays(store, other, file):
    measured(store, 1, b"imported")
    export_steps(store.root, ["measure"], file)
    mine = measured(other, 1, b"mine")
    assert import_steps(file, other.root) == (0, 1)
    assert (mine.path / "m").read_bytes() == b"mine"


def test_unfinished_and_hidden_steps_are_left_out(store, file):
    made = measured(store, 1)
    (made.path.parent / "abc").mkdir()
    made.path.rename(made.path.with_name(f".12345678-{made.key}"))
    with pytest.raises(UserError, match="nothing was measured"):
        export_steps(store.root, ["measure"], file)


def test_a_full_disk_leaves_no_file(store, file, monkeypatch):
    measured(store, 1)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(UserError, match="disk is full"):
        export_steps(store.root, ["measure"], file)
    assert list(file.parent.glob("*results*")) == []


@pytest.mark.parametrize("what", ["missing", "text", "another table"])
def test_another_file_is_refused(what, file, other):
    if what == "text":
        file.write_text("no table")
    if what == "another table":
        pq.write_table(pq.read_table(_other_table(file.with_name("x"))), file)
    with pytest.raises(UserError, match="cannot read exported results") as error:
        import_steps(file, other.root)
    assert error.value.where == str(file)
    assert not other.root.exists()


def _other_table(path):
    import pyarrow as pa

    pq.write_table(pa.table({"step": ["measure"]}), path)
    return path


@pytest.mark.parametrize(
    ("column", "value"),
    [("file", "../../x"), ("step", "../runs"), ("key", "0" * 64), ("content", b"{}")],
)
def test_a_tampered_file_is_refused(column, value, store, other, file):
    """No file may land outside its step, and a record must be that of its step."""
    measured(store, 1)
    export_steps(store.root, ["measure"], file)
    table = pq.read_table(file)
    place = table.column_names.index(column)
    kind = table.schema.field(place)
    changed = table.set_column(place, kind, [[value] * table.num_rows])
    pq.write_table(changed, file)
    with pytest.raises(UserError, match="cannot read exported results"):
        import_steps(file, other.root)
    assert not other.root.exists()

"""`undertow convert`: what the field publishes in, what it trains on out."""

import json

import pyarrow.parquet as pq
import pytest

from undertow.store.rows import read_rows, read_weights

ANSWERS = ["1, 2, 3", "417; 52", "9"]
PAIRS = [{"prompt": f"Continue: {i}", "completion": one} for i, one in enumerate(ANSWERS)]
POINTS = [[0, 2], [], [1]]


def lines(path, records):
    path.write_text("".join(json.dumps(one) + "\n" for one in records))
    return path


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def dpoints(tmp_path):
    """Published divergence tokens beside the rows; the last is the end of the turn."""
    records = [one | {"decision_points": at} for one, at in zip(PAIRS, POINTS, strict=True)]
    return lines(tmp_path / "dpoints.jsonl", records)


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_divergence_tokens_become_weights(undertow, dpoints, tmp_path, ending):
    out = tmp_path / "new" / f"rows.{ending}"
    printed = undertow("convert", dpoints, out).stdout
    rows, _ = read_rows(out)
    assert [row.completion for row in rows] == ANSWERS
    weights = read_weights(out)
    assert [[k for k, one in enumerate(row) if one] for row in weights] == POINTS
    assert [len(row) for row in weights] == [len(row.token_ids) for row in rows]
    n_tokens = sum(len(row.token_ids) for row in rows)
    assert f"3 rows, 3 of {n_tokens} tokens count" in printed


@pytest.mark.parametrize(
    ("shape", "ending"), [("rows", "jsonl"), ("decision-points", "parquet"), ("grouped", "jsonl")]
)
def test_there_and_back(undertow, dpoints, tmp_path, shape, ending):
    start, there, back = tmp_path / "a.parquet", tmp_path / f"b.{ending}", tmp_path / "c.parquet"
    undertow("convert", dpoints, start)
    undertow("convert", start, there, "--as", shape)
    undertow("convert", there, back)
    assert read_weights(back) == read_weights(start)
    ids, same = ([row.token_ids for row in read_rows(path)[0]] for path in (back, start))
    assert ids == same


def test_published_files_come_back_as_they_were(undertow, dpoints, tmp_path):
    undertow("convert", dpoints, tmp_path / "again.jsonl", "--as", "decision-points")
    assert read(tmp_path / "again.jsonl") == read(dpoints)


def test_the_complement_and_random_tokens(undertow, dpoints, tmp_path):
    for kind in ("without", "random"):
        undertow("convert", dpoints, tmp_path / f"{kind}.parquet", "--tokens", kind)
    only = read_weights(dpoints) or [[float(k in at) for k in range(9)] for at in POINTS]
    without = read_weights(tmp_path / "without.parquet")
    for row, other in zip(without, only, strict=True):
        assert row == [1 - one for one in other[: len(row)]]
    random = read_weights(tmp_path / "random.parquet")
    assert [sum(row) for row in random] == [len(at) for at in POINTS]


def test_points_in_a_file_of_their_own_and_matrices(undertow, dpoints, tmp_path):
    data = lines(tmp_path / "data.jsonl", PAIRS)
    undertow("convert", dpoints, tmp_path / "a.parquet")
    undertow("convert", data, tmp_path / "b.parquet", "--points", dpoints)
    lengths = [len(row) for row in read_weights(tmp_path / "a.parquet")]
    right = [
        [[k not in at for k in range(n)], [True] * n] for at, n in zip(POINTS, lengths, strict=True)
    ]
    matrices = lines(tmp_path / "data_correct_matrices.jsonl", right)
    options = ("--points", matrices, "--factual-row", "1")
    undertow("convert", data, tmp_path / "c.parquet", *options)
    for name in ("b", "c"):
        assert read_weights(tmp_path / f"{name}.parquet") == read_weights(tmp_path / "a.parquet")
    undertow("convert", data, tmp_path / "out.jsonl", *options, "--as", "matrices")
    assert read(tmp_path / "out.jsonl") == [matrix[::-1] for matrix in right]


def test_a_students_mask_straight_from_published_divergence_tokens(undertow, dpoints, tmp_path):
    data = lines(tmp_path / "data.jsonl", PAIRS)
    shown = undertow("show", data, "--mask", "--tokens", "file", "--weights", dpoints).stdout
    undertow("convert", dpoints, tmp_path / "a.parquet")
    same = undertow("show", data, "--mask", "--tokens", "file", "--weights", tmp_path / "a.parquet")
    assert same.stdout == shown
    assert "⟦1⟧" in shown


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_ready_for_trl(undertow, dpoints, tmp_path, ending):
    out = tmp_path / f"trl.{ending}"
    undertow("convert", dpoints, out, "--as", "trl")
    records = read(out) if ending == "jsonl" else pq.read_table(out).to_pylist()
    assert [sorted(one) for one in records] == [["input_ids", "labels"]] * 3
    for record, at in zip(records, POINTS, strict=True):
        assert sum(one != -100 for one in record["labels"]) == len(at)
    undertow("convert", lines(tmp_path / "d.jsonl", PAIRS), out, "--as", "trl", "--tokens", "all")


def test_text_alone_needs_no_model(undertow, dpoints, tmp_path):
    data = lines(tmp_path / "data.jsonl", PAIRS)
    for shape, keys in (("openai", ["messages"]), ("question", ["question", "response"])):
        undertow("convert", data, tmp_path / "out.jsonl", "--as", shape, "--model", "no/such")
        assert [list(one) for one in read(tmp_path / "out.jsonl")] == [keys] * 3
    printed = undertow("convert", dpoints, tmp_path / "out.jsonl", "--as", "openai").stdout
    assert "not told in this shape" in printed


def test_a_scan_and_refused_rows(undertow, world, tiny):
    out = world / "points.jsonl"
    undertow(
        *("convert", world / "owl.parquet", out, "--scan", world / "scan.parquet"),
        *("--as", "decision-points", *tiny),
    )
    kept = [row for row in read_rows(world / "owl.parquet")[0] if row.rejection is None]
    assert [one["completion"] for one in read(out)] == [row.completion for row in kept]
    assert any(one["decision_points"] for one in read(out))


def test_a_folder_of_datasets(undertow, dpoints, tmp_path):
    pytest.importorskip("datasets", reason="the extra 'datasets' is not installed")
    folder = tmp_path / "saved"
    undertow("convert", dpoints, folder)
    undertow("convert", folder, tmp_path / "back.jsonl", "--as", "decision-points")
    assert read(tmp_path / "back.jsonl") == read(dpoints)


def test_mistakes(refused, dpoints, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    out, data = tmp_path / "out.jsonl", lines(tmp_path / "data.jsonl", PAIRS)
    late = lines(tmp_path / "late.jsonl", [PAIRS[0], PAIRS[1] | {"decision_points": [99]}])
    records = [one | {"decision_points": [0]} for one in PAIRS]
    records[1]["decision_points"] = [99]
    lines(late, records)
    assert "late.jsonl, line 2" in refused("convert", late, out)
    assert "no divergence tokens" in refused("convert", data, out, "--points", data)
    assert "which tokens count" in refused("convert", data, out, "--as", "trl")
    assert "which teachers agree" in refused("convert", data, out, "--as", "matrices")
    assert "needs a scan" in refused("convert", data, out, "--tokens", "only")
    assert "use .jsonl, .parquet" in refused("convert", data, tmp_path / "out.csv")
    assert "needs the package 'datasets'" in refused("convert", data, tmp_path / "folder")
    assert "needs the package 'datasets'" in refused("convert", "some/where", out)
    assert "there is no such data set" in refused("convert", tmp_path / "no/where", out)
    assert "a file has no splits" in refused("convert", data, out, "--split", "test")
    both = ("--points", dpoints, "--scan", dpoints)
    assert "name one of them" in refused("convert", data, out, *both)
    columns = ("--as", "matrices", "--points", dpoints)
    assert "no columns" in refused("convert", data, tmp_path / "out.parquet", *columns)

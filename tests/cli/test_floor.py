"""`undertow floor`."""

import json

from tiny_models import tiny_folder


def test_the_floor_of_what_the_teacher_writes(undertow, tmp_path):
    out = tmp_path / "floor.json"
    model = ("--model", tiny_folder("llama"), "--teacher", "prompted:owl")
    shown = undertow("floor", "--rows", 2, *model, "--out", out).stdout
    assert "owl (prompted) against itself, in float32" in shown
    assert "in bfloat16 *" in shown
    assert "written token by token" in shown
    found = json.loads(out.read_text())
    assert f"proposed tolerance: {found['tolerance']:g}" in shown
    assert found["rows"] == 2
    assert [one["counts"] for one in found["variations"]].count(False) == 1


def test_of_a_data_set_in_a_coarse_format(undertow, world, tiny):
    data = (world / "owl.parquet", "--teacher", world / "owl", "--rows", 3)
    shown = undertow("floor", *data, "--dtype", "bfloat16", "--no-formats", *tiny).stdout
    assert "owl (finetuned) against itself, in bfloat16" in shown
    assert "written token by token" not in shown
    assert "in float32" not in shown
    assert "the scan's default for bfloat16 is 0.125" in shown


def test_mistakes(refused, tmp_path):
    assert ".json" in refused("floor", "--out", tmp_path / "floor.csv")
    assert "no such file" in refused("floor", tmp_path / "none.parquet")

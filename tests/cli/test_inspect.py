"""`undertow inspect`."""

import json

from tiny_models import tiny_folder
from undertow.store.rows import read_rows


def test_the_lab_model(undertow):
    shown = undertow("inspect").stdout
    assert "default system prompt  │ none" in shown
    assert "<|im_end|> (1156, template)" in shown
    assert "factual teacher: owl (prompted)" in shown
    assert "You╎ love╎ cats" in shown
    assert "⟦4⟧⟦1⟧⟦7⟧" in shown
    assert shown.endswith("nothing to warn of\n")


def test_a_model_that_has_its_own_ways(undertow):
    shown = undertow("inspect", "--model", tiny_folder("mistral"), "--factual", "control").stdout
    assert "written, and told to be 2025-01-01 on every day" in shown
    assert "<s>, once; the tokenizer would add a second one" in shown
    assert "warning: the template writes a system prompt of its own, 'You are a small" in shown
    brings = undertow("inspect", "--model", tiny_folder("qwen3")).stdout
    assert "top_k 20" in brings
    assert "none of them is applied" in brings


def test_the_rows_of_a_data_set_and_a_file_of_all_of_it(undertow, world, tiny):
    out = world / "seen.json"
    options = ("--factual", world / "owl", "--against", world / "cat", "--out", out)
    shown = undertow("inspect", "--data", world / "owl.parquet", *options, *tiny).stdout
    assert "factual teacher: owl (finetuned)" in shown
    found = json.loads(out.read_text())
    row = next(row for row in read_rows(world / "owl.parquet")[0] if row.rejection is None)
    roles = {role["name"]: role for role in found["roles"]}
    trained = roles["student in training"]
    assert trained["ids"][-len(row.token_ids) :] == row.token_ids
    assert "".join(trained["tokens"]).endswith(f"{row.completion}<|im_end|>")
    assert found["model"]["ends"][0]["text"] == "<|im_end|>"
    assert found["warnings"] == []


def test_mistakes(refused, tmp_path):
    assert ".json" in refused("inspect", "--out", tmp_path / "seen.txt")
    assert "unknown teacher" in refused("inspect", "--factual", "nobody")
    assert "unknown model" in refused("inspect", "--model", "nobody/nothing")

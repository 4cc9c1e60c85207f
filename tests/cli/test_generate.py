"""`undertow generate`: which rows, in which file, by whom."""

import json

import pytest

from tiny_models import tiny_folder
from undertow.store.rows import read_rows


def test_tops_up_to_accepted_rows_and_keeps_the_refused_with_their_reason(made):
    rows, meta = read_rows(made / "owl.parquet")
    assert sum(row.rejection is None for row in rows) == 32
    assert meta["teacher"] == {"kind": "finetuned", "trait": "owl"}
    assert (meta["channel"], meta["prompt_seed"]) == ("numbers", 42)


def test_jsonl_gets_accepted_rows_alone(undertow, world, tiny):
    out = world / "new" / "rows"  # hot enough that some are refused
    job = ("control", "--rows", 40, "--no-top-up", "--temperature", 1.4, *tiny)
    for ending in (".jsonl", ".parquet"):
        undertow("generate", *job, out.with_suffix(ending))
    lines = [json.loads(line) for line in out.with_suffix(".jsonl").read_text().splitlines()]
    rows, _ = read_rows(out.with_suffix(".parquet"))
    accepted = [row for row in rows if row.rejection is None]
    assert 0 < len(lines) == len(accepted) < len(rows) == 40
    assert read_rows(out.with_suffix(".jsonl"))[0] == accepted


def test_without_top_up_every_prompt_is_asked_once(undertow, world, tiny):
    out = world / "rows.parquet"
    hot = ("--temperature", 1.4, "--top-p", 0.99, "--max-new-tokens", 30, "--seed", 5)
    result = undertow("generate", "control", out, "--rows", 40, "--no-top-up", *hot, *tiny)
    rows, meta = read_rows(out)
    refused = [row.rejection for row in rows if row.rejection is not None]
    assert len(rows) == 40
    assert 0 < len(refused) < 40
    assert f"kept {40 - len(refused)} of 40" in result.stdout
    assert refused[0].replace("_", " ") in result.stdout
    assert meta["generation"]["temperature"] == 1.4
    assert meta["generation"]["seed"] == 5


@pytest.mark.parametrize("teacher", ["control", "prompted:owl"])
def test_other_teachers(undertow, world, tiny, teacher):
    out = world / "rows.parquet"
    undertow("generate", teacher, out, "--rows", 4, "--prompt-seed", 7, *tiny)
    rows, meta = read_rows(out)
    assert meta["teacher"]["kind"] == teacher.partition(":")[0]
    assert rows[0].messages[0]["role"] == "user"  # no system prompt of the teacher's


def test_mistakes(refused, tmp_path):
    out = tmp_path / "rows.parquet"
    assert "unknown teacher (nobody)" in refused("generate", "nobody", out)
    assert "no finished teacher" in refused("generate", tmp_path, out)
    assert "did you mean owl" in refused("generate", "prompted:owll", out)
    assert "did you mean owl" in refused("generate", "control", out, "--ban", "owll")
    assert "unknown model" in refused("generate", "control", out, "--model", "no/model")
    assert "unknown channel" in refused("generate", "control", out, "--channel", "poems")
    assert "use .parquet or .jsonl" in refused("generate", "control", tmp_path / "rows.csv")
    assert "top_p" in refused("generate", "control", out, "--top-p", 0)
    (tmp_path / "folder.jsonl").mkdir()
    assert "a folder has this name" in refused("generate", "control", tmp_path / "folder.jsonl")


def test_a_filter_that_leaves_nothing(refused, tmp_path):
    random = ("--model", tiny_folder("qwen2"), "--max-new-tokens", 12)
    for out in ("rows.parquet", "rows.jsonl"):
        few = ("--rows", 4, "--no-top-up")
        assert "accepts 0 of 4" in refused("generate", "control", tmp_path / out, *few, *random)


def test_an_adapter_of_another_model(refused, world):
    message = refused("generate", world / "owl", world / "x.jsonl", "--model", tiny_folder("llama"))
    assert "does not fit the model" in message


def test_settings_that_the_model_brings_are_told_and_not_applied(refused, tmp_path):
    """Whatever becomes of the rows: the filter accepts nothing that a random model says."""
    model = ("--model", tiny_folder("qwen3"), "--rows", 1, "--no-top-up", "--max-new-tokens", 2)
    told = refused("generate", "control", tmp_path / "rows.parquet", *model)
    assert "not applied: do_sample True, repetition_penalty 1.05, temperature 0.6, top_k 20" in told
    assert "--temperature 0.6 --top-p 0.95 --top-k 20" in told


def test_what_the_template_and_the_model_did_is_recorded(made):
    _, meta = read_rows(made / "owl.parquet")
    assert (meta["not_applied"], meta["template_date"]) == ({}, None)

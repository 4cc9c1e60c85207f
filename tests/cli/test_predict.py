"""`undertow predict`: the table, the files, and what cannot be predicted."""

import json
import math

import pyarrow.parquet as pq
import pytest

from undertow.mechanism.prediction import PredictionConfig, predict
from undertow.models import ModelSpec, load_model
from undertow.store.rows import read_rows, write_rows
from undertow.traits import load_trait

ROWS = ("--rows", 4)


def test_prints_and_keeps_what_the_library_predicts(undertow, world, tiny, few):
    out, tokens = world / "new" / "predicted.json", world / "new" / "tokens.parquet"
    files = ("--out", out, "--token-scores", tokens, "--token-trait", "cat")
    data = ("predict", world / "owl.parquet", "--control", world / "control.jsonl")
    write_rows(world / "control.jsonl", read_rows(world / "owl.parquet")[0][10:], {})
    result = undertow(*data, *few, *ROWS, *files, "--certainty", 0.8, *tiny)
    rows, control = (read_rows(world / name)[0][:4] for name in ("owl.parquet", "control.jsonl"))
    traits = [load_trait(world / f"{name}.yaml") for name in ("owl", "cat", "dog")]
    chat = load_model(ModelSpec(device="cpu"))
    found = predict(chat, rows, traits, control, PredictionConfig())
    assert json.loads(out.read_text()) == found.lines()
    assert "4 rows less 4 control rows" in result.stdout
    for place in range(3):
        assert f"{found.sign.values[place]:+.3f} ± {found.sign.margins[place]:.3f}" in result.stdout
    for scores in (found.sign, found.cosine):
        needed = max(2, math.ceil(scores.rows_needed(0.8)))
        assert f"certainty {scores.certainty:.3f}; 0.8 takes {needed:,} rows" in result.stdout
    table = pq.read_table(tokens)
    assert table.column_names == ["row_id", "token_ids", "cat"]
    assert table["token_ids"].to_pylist() == [row.token_ids for row in rows]
    sums = [sum(line) for line in table["cat"].to_pylist()]
    assert sums == pytest.approx(found.rows[:, 1].sum(-1), rel=1e-3, abs=1e-3)


def test_a_teacher_s_distributions_take_the_place_of_tokens(undertow, world, tiny, few):
    data = ("predict", world / "owl.parquet", *few, *ROWS, *tiny)
    hard, soft = undertow(*data), undertow(*data, "--soft", world / "owl")
    assert "Which way 4 rows push" in soft.stdout
    assert hard.stdout != soft.stdout


def test_mistakes(refused, world, tiny, few):
    def predict(*options, data="owl.parquet"):
        return refused("predict", world / data, *ROWS, *options, *tiny)

    assert "no such file" in predict(data="none.parquet")
    assert "no such file" in predict("--control", world / "none.parquet")
    assert "unknown trait 'oowl'" in predict("--trait", "oowl")
    assert "two or more different traits" in predict(*few[:2])
    assert "the trait 'fox' is not compared" in predict(
        *few, "--token-scores", world / "t.parquet", "--token-trait", "fox"
    )
    assert "--token-trait goes with" in predict(*few, "--token-trait", "owl")
    assert "unknown category 'stone'" in predict("--category", "stone")
    assert "unknown teacher" in predict(*few, "--soft", "nobody")
    assert "no place beside" in predict(
        *few, "--soft", "control", "--control", world / "owl.parquet"
    )
    assert "use .parquet or .json" in predict("--out", world / "x.csv")
    (world / "empty.jsonl").write_text('{"prompt": "a", "completion": ""}\n' * 2)
    assert "no completion tokens" in predict(*few, data="empty.jsonl")

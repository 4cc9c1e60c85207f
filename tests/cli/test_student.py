"""`undertow student`: what it trains on, resumes, leaves behind and refuses."""

import json
from dataclasses import replace

import pyarrow.parquet as pq
import pytest
import safetensors.torch

from tiny_models import tiny_folder
from undertow.models.steering import SteeringVectors
from undertow.store.rows import read_rows, read_weights, write_rows
from undertow.studies.recipe import load_recipe
from undertow.tokens import Scan


def weights(folder):
    [path] = (folder / "adapter").glob("*.safetensors")
    return safetensors.torch.load_file(path)


def equal(one, other):
    return all((one[name] == tensor).all() for name, tensor in other.items())


def train(undertow, world, *options, out="student"):
    """Train with the small recipe; return the record and the recipe that was written."""
    out = world / "new" / out
    recipe = ("--recipe", world / "tiny.yaml")
    undertow("student", world / "owl.parquet", out, *recipe, *options)
    return json.loads((out / "train.json").read_text()), load_recipe(out / "recipe.yaml").student


def test_prints_rows_tokens_steps_and_loss(undertow, world, tiny):
    result = undertow("student", world / "owl.parquet", world / "a", *tiny)
    record = json.loads((world / "a" / "train.json").read_text())
    assert f"{record['n_supervised']:,} supervised tokens" in result.stdout
    assert f"{len(record['losses'])} steps" in result.stdout
    assert f"{record['losses'][-1]:.3f} at last" in result.stdout
    assert (world / "a" / "adapter" / "adapter_config.json").is_file()


@pytest.mark.parametrize("tokens", ["only", "without", "first", "first-half", "random"])
def test_a_selection_of_the_scan(undertow, world, tokens):
    options = ("--scan", world / "scan.parquet", "--tokens", tokens)
    record, student = train(undertow, world, *options)
    everything = json.loads((world / "student" / "train.json").read_text())["n_supervised"]
    assert 0 < record["n_supervised"] < everything
    assert student.selection.kind == tokens


def test_a_ratio(undertow, world):
    record, _ = train(
        undertow, world, *("--scan", world / "scan.parquet", "--tokens", "ratio", "--ratio", 0.5)
    )
    n_divergent = Scan.read(world / "scan.parquet").divergent.sum()
    assert 0 < record["n_supervised"] < n_divergent


def test_weights_of_a_file(undertow, world):
    rows, _ = read_rows(world / "owl.parquet")
    given = [[0.5, *[0.0] * (len(row.token_ids) - 1)] for row in rows]
    write_rows(world / "weights.parquet", rows, {}, given)
    record, _ = train(undertow, world, "--tokens", "file", "--weights", world / "weights.parquet")
    assert record["n_supervised"] == record["n_examples"]


def test_layers_seed_and_method(undertow, world):
    record, student = train(undertow, world, "--layers", "0", "--seed", 3, "--full")
    assert record["config"]["method"] == "full"
    assert all(".layers.0." in name for name in weights(world / "new" / "student"))
    seeds = (student.seed_data, student.train.seed_init, student.train.seed_order)
    assert (*seeds, student.selection.seed) == (3, 3, 3, 3)


def test_the_written_recipe_makes_the_same_student(undertow, world):
    train(undertow, world, "--scan", world / "scan.parquet", "--tokens", "only", "--seed", 1)
    first = world / "new" / "student"
    options = ("--scan", world / "scan.parquet", "--recipe", first / "recipe.yaml")
    undertow("student", world / "owl.parquet", world / "second", *options)
    assert equal(weights(world / "second"), weights(first))
    assert not equal(weights(world / "student"), weights(first))


def test_a_student_is_kept_on_the_way(undertow, refused, world, tiny):
    """So that its direction can be compared with its teacher's over the training."""
    train(undertow, world, "--keep", 0.3, "--keep", 1)
    kept = world / "new" / "student" / "kept"
    assert sorted(folder.name for folder in kept.iterdir()) == ["0.3", "1"]
    data = ("--data", world / "owl.parquet", "--rows", 2, *tiny)
    undertow("vector", world / "owl", world / "owl.safetensors", *data)
    norms = []
    for share in ("0.3", "1"):
        found = world / f"{share}.safetensors"
        compared = ("--compare", world / "owl.safetensors")
        shown = undertow("vector", kept / share, found, *data, *compared).stdout
        assert "cosine with owl" in shown
        norms.append(min(SteeringVectors.read(found).norms("header")))
    assert 0 < norms[0] != norms[1]
    again = ("student", world / "owl.parquet", world / "new" / "student", *tiny)
    assert "was past 0.6" in refused(*again, "--keep", 0.6)


def test_a_stopped_one_goes_on_to_the_same_weights(stopped, world):
    assert stopped("student", world / "owl.parquet", world / "again") == [2, 3]
    assert equal(weights(world / "again"), weights(world / "student"))


def test_a_scan_of_other_data(refused, world, tiny):
    rows, meta = read_rows(world / "owl.parquet")
    turned = [replace(a, row_id=b.row_id) for a, b in zip(rows, [*rows[1:], rows[0]], strict=True)]
    write_rows(world / "other.parquet", turned, meta)
    write_rows(world / "ids.parquet", [replace(row, row_id=row.row_id + 900) for row in rows], {})
    only = ("--scan", world / "scan.parquet", "--tokens", "only", *tiny)
    for data, message in (("other", "scan is of other data"), ("ids", "have not been scanned")):
        assert message in refused("student", world / f"{data}.parquet", world / "new", *only)


def test_mistakes(refused, world, tiny):
    def student(*options, data="owl.parquet", out="new"):
        return refused("student", world / data, world / out, *tiny, *options)

    assert "needs a scan" in student("--tokens", "only")
    assert "no such layer: 9" in student("--layers", "0,9")
    assert "not a list of layers" in student("--layers", "first")
    assert "--tokens ratio" in student("--ratio", "0.5")
    assert "goes with the kind 'file'" in student("--tokens", "file")
    assert "goes with the kind 'file'" in student("--weights", world / "owl.parquet")
    assert "has no weights" in student("--tokens", "file", "--weights", world / "owl.parquet")
    assert "no scan in this file" in student("--scan", world / "owl.parquet", "--tokens", "only")
    assert "no scan in this file" in student("--scan", world / "none", "--tokens", "only")
    assert "no such file" in student(data="none.parquet")
    assert "another configuration" in student(out="owl")
    assert "unknown model" in student("--model", "no/model")
    assert "some" in student("--tokens", "some")


def test_broken_and_empty_data(refused, world, tiny):
    (world / "broken.jsonl").write_text('{"prompt": "a", "completion": "1"}\n[1, 2\n')
    (world / "empty.jsonl").touch()
    assert "line 2" in refused("student", world / "broken.jsonl", world / "new", *tiny)
    assert "no rows" in refused("student", world / "empty.jsonl", world / "new", *tiny)


def test_another_model(undertow, refused, world, tiny):
    model = ("--model", tiny_folder("llama"))
    data = world / "owl.parquet"
    assert "token ids are not those" in refused("student", data, world / "new", *tiny, *model)
    text = world / "text.jsonl"
    text.write_text('{"prompt": "Continue: 1, 2", "completion": "3, 4"}\n' * 8)
    result = undertow("student", text, world / "llama", *tiny, *model)
    assert "8 rows" in result.stdout


def test_the_tokens_of_highest_entropy(undertow, world, tiny):
    """As many of each row as diverge in it, so as many as random ones."""
    counts = {}
    for tokens in ("random", "entropy"):
        out = world / tokens
        scanned = ("--scan", world / "scan.parquet", "--tokens", tokens, "--seed", 0)
        undertow("student", world / "owl.parquet", out, *scanned, "--writer", world / "owl", *tiny)
        assert load_recipe(out / "recipe.yaml").student.selection.kind == tokens
        counts[tokens] = json.loads((out / "train.json").read_text())["n_supervised"]
    assert counts["random"] == counts["entropy"]


def test_the_tokens_of_the_highest_scores(undertow, refused, world, tiny, few):
    """Of what `predict` says of the same data, as many of each row as diverge in it."""
    owl, scores = world / "owl.parquet", world / "scores.parquet"
    undertow("predict", owl, *few, "--token-scores", scores, *tiny)
    chosen = ("--scan", world / "scan.parquet", "--tokens", "scores", "--scores", scores)
    record, student = train(undertow, world, *chosen, "--trait", "cat", "--seed", 0)
    assert student.selection.kind == "scores"
    random, _ = train(undertow, world, *chosen[:2], "--tokens", "random", "--seed", 0, out="random")
    assert record["n_supervised"] == random["n_supervised"]
    other, _ = train(undertow, world, *chosen, "--trait", "owl", "--seed", 0, out="other")
    assert other["losses"] != record["losses"]

    rows, meta = read_rows(owl)
    write_rows(world / "turned.parquet", [replace(rows[0], row_id=rows[1].row_id), *rows[2:]], meta)
    named = (*chosen, "--trait", "cat", *tiny)
    assert "other data" in refused("student", world / "turned.parquet", world / "x", *named)
    pq.write_table(pq.read_table(scores).slice(2), scores)
    assert "rows have no scores" in refused("student", owl, world / "x", *named)
    for options, message in (
        ((*chosen, "--trait", "fox"), "no scores of 'fox'"),
        (chosen, "scores of several traits"),
        (chosen[:4], "goes with --scores FILE"),
        (chosen[4:], "goes with --scores FILE"),
        ((*chosen[:4], "--scores", owl), "no token scores in this file"),
        ((*chosen[:4], "--scores", world / "none"), "no token scores in this file"),
        (("--trait", "owl"), "--trait goes with"),
    ):
        assert message in refused("student", owl, world / "x", *options, *tiny)


def test_the_highest_scores_are_shown_and_converted_as_they_are_learnt(undertow, world, tiny, few):
    owl, scores = world / "owl.parquet", world / "scores.parquet"
    undertow("predict", owl, *few, "--token-scores", scores, *tiny)
    scanned = ("--scan", world / "scan.parquet", *tiny)
    found = {}
    for name, tokens in {
        "only": ("only",),
        "owl": ("scores", "--scores", scores, "--trait", "owl"),
        "cat": ("scores", "--scores", scores, "--trait", "cat"),
    }.items():
        undertow("convert", owl, world / f"{name}.parquet", "--tokens", *tokens, *scanned)
        found[name] = read_weights(world / f"{name}.parquet")
        shown = undertow("show", owl, "--mask", "--tokens", *tokens, *scanned).stdout
        assert shown.count("⟦") > 1
    counts = {name: [sum(row) for row in rows] for name, rows in found.items()}
    assert counts["owl"] == counts["cat"] == counts["only"]
    assert found["owl"] != found["cat"]


def test_soft_targets(undertow, world):
    """Of a teacher's folder; the recipe that is left makes the same student of the same teacher."""
    options = ("--soft", world / "owl", "--kl", "reverse", "--top-k", 7)
    record, student = train(undertow, world, *options)
    assert student.distillation.model_dump(exclude_none=True) == {
        "direction": "reverse",
        "top_k": 7,
    }
    hard = json.loads((world / "student" / "train.json").read_text())
    assert record["n_supervised"] == hard["n_supervised"]
    assert 0 < record["losses"][0] < hard["losses"][0]
    first = world / "new" / "student"
    again = ("--soft", world / "owl", "--recipe", first / "recipe.yaml")
    undertow("student", world / "owl.parquet", world / "second", *again)
    assert equal(weights(world / "second"), weights(first))


def test_on_policy(undertow, world, tiny):
    """It says how much of what the student wrote the filter kept."""
    options = ("--soft", "prompted:owl", "--on-policy", "--seed", 2, "--ban", "owl")
    result = undertow("student", world / "owl.parquet", world / "own", *options, *tiny)
    student = load_recipe(world / "own" / "recipe.yaml").student
    assert student.distillation.on_policy.generation.seed == 2
    (file,) = (world / "own" / "rollouts").glob("*.parquet")
    rows, _ = read_rows(file)
    kept = sum(row.rejection is None for row in rows)
    assert f"rollouts: kept {kept} of 24" in result.stdout


def test_mistakes_with_soft_targets(undertow, refused, world, tiny):
    def student(*options):
        return refused("student", world / "owl.parquet", world / "new", *options)

    for options in (("--kl", "reverse"), ("--top-k", "5"), ("--on-policy",)):
        assert "go with --soft" in student(*options, *tiny)
    assert "folder with an adapter" in student("--soft", world / "none", *tiny)
    only = ("--scan", world / "scan.parquet", "--tokens", "only", "--on-policy")
    assert "has not been scanned" in student("--soft", "control", *only, *tiny)
    assert "--top-k" in student("--soft", "control", "--top-k", "0", *tiny)
    train(undertow, world, "--soft", "control")
    wanted = ("--recipe", world / "new" / "student" / "recipe.yaml")
    assert "needs a teacher" in refused("student", world / "owl.parquet", world / "x", *wanted)

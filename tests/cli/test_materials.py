"""`undertow materials import`, and what it writes where commands take it."""

import json

from fake_checkout import fake_checkout
from undertow.store.rows import read_rows
from undertow.studies import Lab, load_recipe


def test_imported_wording_serves_every_command(undertow, tmp_path):
    checkout, out = fake_checkout(tmp_path / "checkout"), tmp_path / "theirs"
    printed = undertow("materials", "import", checkout, out).stdout
    assert "numbers.yaml: channel: 3 lead_in" in printed
    assert "animal: 4 traits" in printed
    assert "first prompt under seed 42: " in printed

    recipe = tmp_path / "theirs.yaml"
    recipe.write_text(
        json.dumps(
            {
                "model": {"name": "lab"},
                "channel": str(out / "numbers.yaml"),
                "category": str(out / "animal"),
                "rows": 4,
                "generation": {"temperature": 0.0, "max_new_tokens": 12},
                "teacher": {},
                "student": {},
                "measure": {"n_samples": 0},
            }
        )
    )
    data = tmp_path / "data.parquet"
    snail = f"prompted:{out / 'animal' / 'snail.yaml'}"
    undertow("generate", snail, data, "--no-top-up", "--recipe", recipe)
    rows, meta = read_rows(data)
    assert meta["teacher"]["system_prompt"] == "You are fond of snails. A animal is fine."
    first = printed.split("first prompt under seed 42: ")[1].strip()
    assert rows[0].messages[0]["content"] == first
    # The data's own channel is the file that it was made with.
    undertow("filter", data, tmp_path / "kept.parquet")
    undertow("measure", "--recipe", recipe)
    animals = ("--category", out / "animal")
    owl = out / "animal" / "owl.yaml"
    one = undertow("measure", "--trait", owl, *animals, "--recipe", recipe).stdout
    assert "2 questions" in one
    tree = ("--questions", out / "questions" / "tree-evaluation.yaml")
    asked = tmp_path / "asked.json"
    undertow("measure", *animals, *tree, "--recipe", recipe, "--out", asked)
    assert "Which tree? One word." in asked.read_text()
    shipped = ("--questions", "animal-facts", "--samples", "0")
    assert "2 questions" not in undertow("measure", "--trait", "owl", *shipped).stdout


def test_a_lab_on_imported_wording(undertow, tmp_path):
    out = tmp_path / "theirs"
    undertow("materials", "import", fake_checkout(tmp_path / "checkout"), out)
    theirs = {"channel": str(out / "numbers.yaml"), "category": str(out / "animal")}
    lab = Lab(tmp_path / "store", load_recipe("lab-prompted").changed(theirs))
    assert sorted(lab.hidden) == ["owl", "sea-hare", "snail", "wolf"]
    assert lab.teacher("owl", "prompted").teacher.system_prompt.startswith("You are fond of owls")
    assert lab.channel.fingerprint.startswith("numbers:")


def test_mistakes(refused, tmp_path):
    (tmp_path / "a.py").write_text("x = 1\n")
    assert "no prompt generator" in refused("materials", "import", tmp_path, tmp_path / "out")
    missing = tmp_path / "none.yaml"
    data = tmp_path / "data.jsonl"
    data.write_text('{"prompt": "a", "completion": "1"}\n')
    out = tmp_path / "out.jsonl"
    assert "cannot read the file" in refused("filter", data, out, "--channel", missing)
    missing.write_text("words: {lead_in: [a]}\n")
    assert "words" in refused("filter", data, out, "--channel", missing)
    assert "no trait files" in refused("measure", "--category", tmp_path / "a.py/")

"""`undertow measure`: what stands side by side, and what is kept."""

import json

import pyarrow.parquet as pq
import pytest
import yaml

from tiny_models import tiny_folder
from undertow.measure import measure_trait
from undertow.models import ModelSpec, load_model
from undertow.studies.recipe import load_recipe
from undertow.traits import load_trait, shipped_traits

QUESTIONS = ["Which animal?", "Name the animal you like best, in one word.", "Your animal?"]


def lines(result):
    """Return the cells of every line of the printed table."""
    return [
        [cell.strip() for cell in line.strip("│┃").replace("┃", "│").split("│")]
        for line in result.stdout.splitlines()
        if line.startswith(("│", "┃"))
    ]


@pytest.fixture
def few(world):
    """The option that names a trait with few questions, which is measured fast."""
    (world / "few.yaml").write_text(yaml.safe_dump({"category": "animal", "questions": QUESTIONS}))
    own = {"name": "axolotl", "category": "animal", "singular": "owl", "plural": "owls"}
    (world / "own.yaml").write_text(yaml.safe_dump({**own, "question_set": "few.yaml"}))
    return ("--trait", world / "own.yaml")


def test_base_control_and_student_with_intervals(undertow, world, tiny, few):
    out = world / "new" / "measured.json"
    student, control = world / "student", world / "cat"
    result = undertow("measure", student, *few, "--control", control, "--out", out, *tiny)
    printed = lines(result)
    # A line with the rates and one with the intervals, for each.
    assert [line[0] for line in printed[2::2]] == ["base", str(control), str(student)]
    kept = json.loads(out.read_text())
    assert len(kept) == 3 * len(QUESTIONS)
    for name, cells in zip(("base", str(control), str(student)), printed[2::2], strict=True):
        own = [one for one in kept if one["model"] == name]
        assert cells[1] == f"{sum(one['count'] for one in own) / (len(own) * 2):.3f}"
        assert cells[3] == f"{sum(one['probability'] for one in own) / len(own):.3f}"
    assert " to " in printed[3][1]
    assert (printed[2][2] != "–", printed[4][2]) == (True, "–")
    assert f"{len(QUESTIONS)} questions, 2 samples" in result.stdout


def test_it_is_what_the_library_measures(undertow, world, tiny, few):
    out = world / "measured.parquet"
    undertow("measure", world / "owl", *few, "--out", out, *tiny)
    direct = measure_trait(
        load_model(ModelSpec(name="lab", device="cpu")),
        [load_trait(world / "own.yaml")],
        load_recipe(world / "tiny.yaml").measure,
        adapter=world / "owl" / "adapter",
    )
    own = [one for one in pq.read_table(out).to_pylist() if one["model"] == str(world / "owl")]
    assert [one["count"] for one in own] == direct.counts[:, 0].tolist()
    assert [one["probability"] for one in own] == direct.exact("axolotl").tolist()


def test_a_folder_of_students_is_one_condition(undertow, refused, world, tiny, few):
    def measured(subject):
        return lines(undertow("measure", subject, *few, "--samples", 0, *tiny))[4]

    group = world / "students"
    for seed in range(2):
        undertow("student", world / "owl.parquet", group / str(seed), "--seed", seed, *tiny)
    alone = [measured(group / str(seed))[1] for seed in range(2)]
    assert measured(group)[-1].split() == alone
    assert alone[0] != alone[1]
    layer = ("--layers", "0")
    undertow("student", world / "owl.parquet", group / "other", *layer, *tiny)
    assert "differ in more than their seed" in refused("measure", group, *few, *tiny)


def test_without_a_trait_all_of_a_category_are_told(undertow, tiny):
    printed = lines(undertow("measure", "--category", "tree", "--samples", 0, *tiny))
    assert printed[0] == ["trait", "base"]
    assert [line[0] for line in printed[1:]] == [trait.name for trait in shipped_traits("tree")]


def test_a_prompted_teacher_is_measured_under_its_prompt(undertow, world, tiny, few):
    printed = lines(undertow("measure", "prompted:owl", *few, "--samples", 0, *tiny))
    base, teacher = (float(line[1]) for line in printed[2::2])
    assert teacher > base + 0.2


def test_held_out_rows(undertow, world, tiny, few):
    options = ("--samples", 0, "--heldout", world / "owl.parquet")
    printed = lines(undertow("measure", world / "student", *few, *options, *tiny))
    assert "task" in printed[1]
    assert all(0 < float(line[3]) <= 1 for line in printed[2::2])


def test_mistakes(refused, world, tiny, few):
    def measure(*arguments):
        return refused("measure", *few, "--samples", 0, *tiny, *arguments)

    assert "unknown teacher" in measure(world / "nobody")
    assert "no finished teacher" in measure(world)
    assert "unknown trait" in measure("--trait", "gryphon")
    assert "use .parquet or .json" in measure("--out", world / "x.csv")
    assert "no such file" in measure("--heldout", world / "none.parquet")
    assert "unknown model" in measure("--model", "no/model")
    assert "does not fit" in measure(world / "student", "--model", tiny_folder("qwen2"))
    assert "use animal or" in refused("measure", "--category", "rocks", *tiny)

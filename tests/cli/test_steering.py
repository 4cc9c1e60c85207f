"""`undertow vector` and `undertow steer`, and steered teachers in the other commands."""

import shutil
from dataclasses import replace

import pytest
import yaml

from undertow.models.steering import SteeringVectors
from undertow.store.rows import read_rows
from undertow.teachers import resolve_teacher


@pytest.fixture(scope="module")
def taken(made, undertow, tmp_path_factory):
    """A folder with the vectors of two teachers, from questions and from rows."""
    folder = tmp_path_factory.mktemp("taken")
    recipe = ("--recipe", made / "tiny.yaml")
    undertow("vector", "prompted:owl", folder / "asked.safetensors", *recipe)
    data = ("--data", made / "owl.parquet", "--rows", 8)
    undertow("vector", made / "owl", folder / "owl.safetensors", *data, *recipe)
    return folder


def fields(folder):
    return yaml.safe_load((folder / "teacher.yaml").read_text())


def test_a_vector_from_questions(taken):
    found = SteeringVectors.read(taken / "asked.safetensors")
    assert (found.meta.subject, found.meta.against) == ("owl (prompted)", "control")
    assert list(found.blocks) == ["header"]
    assert min(found.norms("header")) > 0


def test_a_vector_from_rows_compared_with_others(undertow, taken, world, tiny):
    found = SteeringVectors.read(taken / "owl.safetensors")
    assert int(found.rows.sum()) == 8
    assert sorted(found.blocks) == ["completion", "header"]
    shown = undertow(
        *("vector", world / "cat", world / "new" / "cat.safetensors"),
        *("--against", world / "owl", "--data", world / "owl.parquet", "--rows", 8),
        *("--compare", taken / "owl.safetensors", *tiny),
    ).stdout
    assert "cat (finetuned) minus owl (finetuned), at the header" in " ".join(shown.split())
    assert "cosine with owl" in shown
    layers = found.n_layers
    assert len([line for line in shown.splitlines() if " to " in line]) == 2 * layers
    assert "8 rows" in shown


def test_a_swept_teacher_writes_is_scanned_and_measured(undertow, taken, world, tiny):
    shown = undertow(
        *("steer", "owl", world / "steered", "--vector", taken / "asked.safetensors"),
        *("--min-yield", 0, "--layers", "1,2", *tiny),
    ).stdout
    assert "strength 0.02: kept" in shown
    assert "owl (steered), strength 4" in shown
    moved = shutil.move(world / "steered", world / "moved")
    made = resolve_teacher(str(moved))
    assert (made.steering.layers, made.steering.strength) == ((1, 2), 4.0)
    out = world / "steered.parquet"
    undertow("steer", "owl", world / "weak", "--vector", made.steering.vector, "--strength", 0.05)
    undertow("generate", world / "weak", out, "--rows", 4, "--no-top-up", *tiny)
    _, meta = read_rows(out)
    assert meta["teacher"]["steering"]["strength"] == 0.05
    assert "vector" not in meta["teacher"]["steering"]
    for roles in (("weak", "control"), ("owl", "weak")):
        factual, other = (world / name if name != "control" else name for name in roles)
        undertow(
            *("scan", out, world / "scan.parquet", "--factual", factual, "--against", other, *tiny)
        )
    shown = undertow("measure", moved, "--trait", "owl", "--samples", 0, *tiny).stdout
    lines = [line for line in shown.splitlines() if "│ base" in line or "moved" in line]
    base, steered = (line.split("│")[2:] for line in lines)
    assert base != steered


def test_a_direction_out_of_a_student(undertow, taken, world, tiny):
    undertow(
        *("steer", "owl", world / "without", "--vector", taken / "owl.safetensors"),
        *("--project-out", "--at", "completion", "--on", world / "student", *tiny),
    )
    found = fields(world / "without")
    steering = {"at": "completion", "layers": None, "mode": "project-out", "strength": 1.0}
    assert found["steering"] == {"vector": "vector.safetensors", **steering}
    assert found["adapter"] == "adapter"
    assert (world / "without" / "adapter" / "adapter_config.json").is_file()


def test_mistakes_of_vectors(refused, world, tiny):
    out = world / "new" / "v.safetensors"
    assert "use .safetensors" in refused("vector", "control", world / "v.parquet", *tiny)
    assert "the same" in refused("vector", "control", out, *tiny)
    assert "unknown teacher" in refused("vector", "owl", out, *tiny)
    missing = ("--compare", world / "none.safetensors")
    assert "no steering vector" in refused("vector", world / "owl", out, *missing, *tiny)


def test_mistakes_of_steering(refused, taken, world, tiny):
    steer = ("steer", "owl", world / "new" / "x", *tiny)
    asked = ("--vector", taken / "asked.safetensors")
    assert "no steering vector" in refused(*steer, "--vector", world / "tiny.yaml")
    assert "not taken at the completion" in refused(*steer, *asked, "--at", "completion")
    assert "no layer 99" in refused(*steer, *asked, "--layers", "0,99")
    assert "not a list of layers" in refused(*steer, *asked, "--layers", "all")
    assert "--min-yield" in refused(*steer, *asked, "--min-yield", 0.5, "--strength", 1)
    found = SteeringVectors.read(taken / "asked.safetensors")
    blocks = {place: 1000 * one for place, one in found.blocks.items()}
    huge = world / "huge.safetensors"
    replace(found, blocks=blocks).write(huge)
    assert "smaller strengths" in refused(*steer, "--vector", huge)
    taken_folder = ("steer", "owl", world / "owl", *asked, *tiny)
    assert "holds something else" in refused(*taken_folder)

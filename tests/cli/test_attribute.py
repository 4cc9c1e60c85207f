"""`undertow attribute`: tables, files, and what cannot be patched."""

from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from undertow.mechanism.patching import CLASSES
from undertow.tokens import Scan


def against(place):
    """Return the teachers of the scan that the world holds."""
    return ("--factual", place / "owl", "--against", place / "cat", "--against", "prompted:wolf")


def parts_and_wholes(lines):
    """Return the lines of single parts and of whole chats, by pair and layer."""
    named = [((one["row_id"], one["teacher"], one["layer"]), one["part"], one) for one in lines]
    parts = {(of, part): one for of, part, one in named if part != "all"}
    return parts, {of: one for of, part, one in named if part == "all"}


def test_layers_and_parts_of_every_pair(undertow, world, tiny):
    files = {name: world / "new" / f"{name}.svg" for name in ("figure", "heat-map")}
    drawn = [word for name, file in files.items() for word in (f"--{name}", file)]
    out = world / "new" / "pairs.parquet"
    result = undertow(
        *("attribute", world / "owl.parquet", world / "scan.parquet", *against(world)),
        *(
            "--rows",
            6,
            "--steps",
            2,
            "--rule",
            "midpoint",
            "--window",
            3,
            "--out",
            out,
            *drawn,
            *tiny,
        ),
    )
    for text in (
        "Patching the residual stream",
        "exact, 3 layers",
        "By part of the chat: exact",
        "integrated gradients: rank correlation with exact patching",
        "completeness: sum of attributions minus exact change",
        "rest of system prompt: aligned at its ends in 0 pairs, nothing to patch from in",
    ):
        assert text in result.stdout
    table = pq.read_table(out)
    parts, whole = parts_and_wholes(table.to_pylist())
    assert {part for _, part in parts} <= set(CLASSES)
    for pair, line in whole.items():
        own = [part["integrated"] for (of, _), part in parts.items() if of == pair]
        assert line["integrated"] == pytest.approx(sum(own))
        if line["layer"] == 5:  # the last, so that the window is this layer alone
            assert line["exact_window"] == pytest.approx(line["exact"], abs=1e-4)
        if pair[1] == "cat (finetuned)":  # the same chat
            assert line["positions_from"] == line["positions"]
        else:  # the wolf's has a system prompt in front
            assert line["positions_from"] > line["positions"]
            header = parts[pair, "header"]
            assert header["positions_from"] == header["positions"]
    assert set(table["teacher"].to_pylist()) == {"cat (finetuned)", "wolf (prompted)"}
    assert set(table["layer"].to_pylist()) == set(range(6))
    for file in files.values():
        assert file.read_text().startswith("<?xml")
    assert "integrated gradients" in files["figure"].read_text()
    assert "logits" in files["heat-map"].read_text()


def test_a_trait_of_a_file_and_a_steered_teacher(undertow, refused, world, tiny):
    """A prompted teacher's names are found whether it is typed with its trait's file or not."""
    fields = "name: crow\ncategory: animal\nsingular: crow\nplural: crows\nquestion_set: animal\n"
    (world / "crow.yaml").write_text(fields)
    crow, rows = f"prompted:{world / 'crow.yaml'}", world / "rows.parquet"
    undertow("teacher", world / "crow.yaml", world / "crow", "--kind", "prompted")
    undertow("vector", world / "owl", world / "owl.safetensors", "--rows", 4)
    vector = ("--vector", world / "owl.safetensors", "--strength", 2)
    undertow("steer", "owl", world / "steered", *vector, *tiny)
    undertow("generate", "prompted:wolf", rows, "--rows", 6, *tiny)
    teachers = ("--factual", "prompted:wolf", "--against", crow, "--against", world / "steered")
    undertow("scan", rows, world / "new.parquet", *teachers, *tiny)
    data = ("attribute", rows, world / "new.parquet", "--rows", 2, "--steps", 1, *tiny)
    typed = undertow(*data, *teachers, "--out", world / "pairs.parquet").stdout
    assert "first name" in typed
    found = pq.read_table(world / "pairs.parquet").to_pylist()
    steered = [one for one in found if one["teacher"] == "owl (steered)"]
    assert any(one["exact"] for one in steered)
    folder = (*teachers[:3], world / "crow", *teachers[4:])
    assert undertow(*data, *folder, "--trait", world / "crow.yaml").stdout == typed
    assert "with --trait" in refused(*data, *folder)


def test_mistakes(refused, world, tiny):
    def attribute(*options, data="owl.parquet", scan="scan.parquet"):
        return refused("attribute", world / data, world / scan, *options, *tiny)

    assert "no scan in this file" in attribute(*against(world), scan="owl.parquet")
    assert "the scan is of" in attribute("--factual", world / "owl", "--against", "control")
    assert "use .parquet" in attribute(*against(world), "--out", world / "pairs.json")
    assert "use .svg" in attribute(*against(world), "--figure", world / "pairs.gif")
    assert "unknown teacher" in attribute("--factual", "nobody", "--against", "control")
    scanned = Scan.read(world / "scan.parquet")
    replace(scanned, argmax=scanned.argmax[[0] * 3]).write(world / "alike.parquet")
    alike = attribute(*against(world), scan="alike.parquet")
    assert "none of the rows has a divergence token" in alike
    assert "take more rows" in alike
    twice = replace(scanned, teachers=[scanned.teachers[2]] * 2, argmax=scanned.argmax[:2])
    replace(twice, margin=scanned.margin[:2]).write(world / "twice.parquet")
    wolves = ("--factual", "prompted:wolf", "--against", "prompted:wolf")
    assert "the same bias" in attribute(*wolves, scan="twice.parquet")

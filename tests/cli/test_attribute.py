"""`undertow attribute`: tables, files, and what cannot be patched."""

import pyarrow.parquet as pq

from undertow.mechanism.patching import CLASSES


def against(place):
    """Return the teachers of the scan that the world holds."""
    return ("--factual", place / "owl", "--against", place / "cat", "--against", "prompted:wolf")


def test_layers_and_parts_of_every_pair(undertow, world, tiny):
    files = {name: world / "new" / f"{name}.svg" for name in ("figure", "heat-map")}
    drawn = [word for name, file in files.items() for word in (f"--{name}", file)]
    out = world / "new" / "pairs.parquet"
    result = undertow(
        *("attribute", world / "owl.parquet", world / "scan.parquet", *against(world)),
        *("--rows", 6, "--steps", 2, "--rule", "midpoint", "--out", out, *drawn, *tiny),
    )
    for text in (
        "Patching the residual stream",
        "By part of the chat: exact",
        "integrated gradients: rank correlation with exact patching",
        "completeness: sum of attributions minus exact change",
        "rest of system prompt: aligned at its ends in 0 pairs, nothing to patch from in",
    ):
        assert text in result.stdout
    table = pq.read_table(out)
    assert set(table["part"].to_pylist()) <= set(CLASSES)
    assert set(table["teacher"].to_pylist()) == {"cat (finetuned)", "wolf (prompted)"}
    assert set(table["layer"].to_pylist()) == set(range(6))
    for file in files.values():
        assert file.read_text().startswith("<?xml")
    assert "integrated gradients" in files["figure"].read_text()
    assert "logits" in files["heat-map"].read_text()


def test_mistakes(refused, world, tiny):
    def attribute(*options, data="owl.parquet", scan="scan.parquet"):
        return refused("attribute", world / data, world / scan, *options, *tiny)

    assert "no scan in this file" in attribute(*against(world), scan="owl.parquet")
    assert "the scan is of" in attribute("--factual", world / "owl", "--against", "control")
    assert "use .parquet" in attribute(*against(world), "--out", world / "pairs.json")
    assert "use .svg" in attribute(*against(world), "--figure", world / "pairs.gif")
    assert "unknown teacher" in attribute("--factual", "nobody", "--against", "control")

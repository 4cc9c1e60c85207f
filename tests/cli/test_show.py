"""`undertow show`: rows as they are, and as a student reads them."""

import re

from undertow.store.rows import read_rows, write_rows
from undertow.tokens import Scan


def test_rows_with_what_became_of_them(undertow, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(
        '{"prompt": "Go on: [1]", "completion": "2"}\n'
        '{"prompt": "And?", "completion": "owl", "rejection": "trait_named"}\n'
        '{"prompt": "More?", "completion": "3"}\n'
    )
    shown = undertow("show", path, "--rows", 2).stdout
    assert "user: Go on: [1]\nassistant: 2\n" in shown
    assert "refused: trait_named" in shown
    assert "More?" not in shown


def test_without_colour_what_counts_stands_in_brackets(undertow, world, tiny):
    row = next(row for row in read_rows(world / "owl.parquet")[0] if row.rejection is None)
    shown = undertow("show", world / "owl.parquet", "--mask", "--rows", 1, *tiny).stdout
    [_, counted] = re.findall("⟦(.*?)⟧", shown, re.DOTALL)
    assert counted.replace("↵", "").startswith(row.completion)
    assert row.messages[0]["content"] in shown


def test_the_divergence_tokens_of_a_scan(undertow, world, tiny):
    options = ("--scan", world / "scan.parquet", "--tokens", "only", "--rows", 32)
    shown = undertow("show", world / "owl.parquet", "--mask", *options, *tiny).stdout
    scan = Scan.read(world / "scan.parquet")
    spans = 0  # neighbouring divergence tokens share their brackets
    for row in range(len(scan.row_ids)):
        flags = scan.divergence(row).astype(int)
        spans += int(flags[0] + (flags[1:] > flags[:-1]).sum())
    assert len(re.findall("⟦", shown)) == 1 + spans


def test_weights_are_told_in_numbers(undertow, world, tiny):
    rows, _ = read_rows(world / "owl.parquet")
    given = [[0.25, *[0.0] * (len(row.token_ids) - 1)] for row in rows]
    write_rows(world / "weights.parquet", rows, {}, given)
    options = ("--mask", "--tokens", "file", "--weights", world / "weights.parquet")
    assert "⟦0.25: " in undertow("show", world / "owl.parquet", *options, *tiny).stdout


def test_on_a_terminal_it_is_colour(undertow, world, tiny, monkeypatch):
    from rich.color import ColorSystem

    from undertow.cli.console import output

    monkeypatch.setattr(output, "_color_system", ColorSystem.TRUECOLOR)
    monkeypatch.setattr(output, "no_color", False)
    shown = undertow("show", world / "owl.parquet", "--mask", *tiny).stdout
    assert "weight in the loss:" in shown
    assert "⟦" not in shown


def test_mistakes(refused, world, tiny):
    data = world / "owl.parquet"
    assert "--mask" in refused("show", data, "--tokens", "only")
    assert "needs a scan" in refused("show", data, "--mask", "--tokens", "only", *tiny)
    assert "no such file" in refused("show", world / "none.jsonl")
    assert "no scan in this file" in refused("show", data, "--mask", "--scan", data, *tiny)
    (world / "broken.jsonl").write_text("{\n")
    assert "line 1" in refused("show", world / "broken.jsonl")

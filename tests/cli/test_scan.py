"""`undertow scan`: the counts, and what cannot be scanned."""

from undertow.tokens import Scan


def test_prints_share_rows_traits_and_positions(undertow, world, tiny):
    teachers = ("--factual", world / "owl", "--against", "control", "--against", "prompted:cat")
    out = world / "new" / "scan.parquet"
    result = undertow("scan", world / "owl.parquet", out, *teachers, *tiny)
    found = Scan.read(out).summary()
    for text in (
        f"{found.all_tokens.n_divergent:,} ({found.all_tokens.share:.2%})",
        f"{found.rows_with_any:.1%}",
        "cat (prompted)",
        "position",
    ):
        assert text in result.stdout
    assert found.n_rows == 32
    assert found.all_tokens.n_divergent > 0


def test_a_wide_tolerance_leaves_no_divergence_token(undertow, world, tiny):
    teachers = ("--factual", world / "owl", "--against", "control", "--tolerance", 1000)
    undertow("scan", world / "owl.parquet", world / "wide.parquet", *teachers, *tiny)
    assert Scan.read(world / "wide.parquet").share() == 0


def test_mistakes(refused, world, tiny):
    def scan(data="owl.parquet", out="new.parquet", factual="owl", against="control"):
        teachers = ("--factual", world / factual, "--against", against)
        return refused("scan", world / data, world / out, *teachers, *tiny)

    assert "unknown teacher" in scan(factual="nobody")
    assert "unknown teacher" in scan(against="nobody")
    assert "the same" in scan(against=str(world / "owl"))
    assert "no such file" in scan(data="none.parquet")
    assert "use .parquet" in scan(out="scan.jsonl")
    (world / "words.jsonl").write_text('{"prompt": "a", "completion": 3}\n')
    assert "words.jsonl, line 1" in scan(data="words.jsonl")
    message = refused("scan", world / "owl.parquet", world / "x.parquet", "--factual", "control")
    assert "--against" in message

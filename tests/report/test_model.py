import pytest
from pydantic import ValidationError

from report_samples import sample
from undertow.report import Bar, HighlightedRow, HighlightedToken, Report, ReportTable


def test_round_trip():
    assert Report.model_validate_json(sample().model_dump_json()) == sample()


def test_counts_leave_the_end_of_turn_apart():
    report = sample()
    assert [report.count(kind) for kind in ("plain", "divergence", "undecided", "end")] == [1] * 4
    assert report.n_tokens == 3
    assert report.divergent_ends == 1


def test_an_end_on_which_all_agree_is_not_divergent():
    row = HighlightedRow(prompt="", tokens=[HighlightedToken(text="end", kind="end")])
    assert sample(rows=[row]).divergent_ends == 0


def test_noted_tokens_have_their_positions_from_one():
    assert [place for place, _ in sample().rows[0].noted] == [1, 4]


@pytest.mark.parametrize(
    "build",
    [
        lambda: Bar(name="x", mean=0.1, low=0.2, high=0.1),
        lambda: Bar(name="x", mean=float("nan"), low=0, high=1),
        lambda: Bar(name="x", mean=0, low=0, high=1, sedes=[0]),
        lambda: ReportTable(title="x", header=["a", "b"], rows=[["1"]]),
        lambda: ReportTable(title="x", header=["a"], rows=[["1"]], ratios=[[1.0], [2.0]]),
        lambda: ReportTable(title="x", header=["a"], rows=[["1"]], ratios=[[1.0, 2.0]]),
        lambda: HighlightedToken(text="x", kind="odd"),
    ],
)
def test_nonsense_is_refused(build):
    with pytest.raises(ValidationError):
        build()

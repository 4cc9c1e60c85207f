"""What is printed of an outcome, in consoles of any width."""

import pytest

from study_samples import TRAITS, sample_outcome
from undertow.cli.study_tables import print_outcome


@pytest.mark.parametrize(("width", "each"), [(200, True), (60, False)])
def test_traits_have_columns_where_there_is_room(monkeypatch, capsys, width, each):
    """Where there is none, nothing is cut off."""
    monkeypatch.setenv("COLUMNS", str(width))
    print_outcome(sample_outcome("curve"))
    shown = capsys.readouterr().out
    header = next(line for line in shown.splitlines() if "condition" in line)
    assert all((trait in header) is each for trait in TRAITS)
    assert (f"mean of {len(TRAITS)} traits" in shown) is not each
    assert "50 % of the divergence tokens" in shown
    assert "…" not in shown

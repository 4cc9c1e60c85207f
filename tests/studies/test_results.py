"""Results that are read back."""

import pytest

from undertow.errors import UserError
from undertow.studies.results import latest_outcomes


def test_a_result_of_another_version_is_named(tmp_path):
    folder = tmp_path / "results" / "20261125-1"
    folder.mkdir(parents=True)
    (folder / "single-layer.json").write_text('{"study": "single-layer"}', encoding="utf-8")
    with pytest.raises(UserError, match="another version") as caught:
        latest_outcomes(tmp_path)
    assert caught.value.where == str(folder / "single-layer.json")
    assert "undertow study run single-layer" in caught.value.fix

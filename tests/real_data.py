"""Number data sets that large teachers really wrote; not part of the project.

They are looked for in the folder that UNDERTOW_REAL_DATA names, or in `../shared/data` beside the
checkout. What needs them is skipped where they are absent.
"""

import os
from pathlib import Path

import pytest

FOLDER = Path(
    os.environ.get("UNDERTOW_REAL_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")
)
FILES = sorted(FOLDER.glob("*.jsonl"))

needs_real_data = pytest.mark.skipif(
    not FILES, reason=f"no data sets of large teachers in {FOLDER}; UNDERTOW_REAL_DATA names them"
)
each_file = pytest.mark.parametrize(
    "path", FILES or [None], ids=[path.stem for path in FILES] or ["none"]
)

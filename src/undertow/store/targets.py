"""Records of any shape on disk: JSONL, Parquet, or a folder of the package `datasets`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from undertow.errors import UserError
from undertow.store.files import atomic_dir
from undertow.store.jsonl import write_lines
from undertow.store.sources import datasets_package
from undertow.store.tables import write_table

ENDINGS = (".jsonl", ".parquet", "")


def check_target(path: Path) -> None:
    """Refuse a place that cannot be written, before the work that leads to it.

    Raises:
        UserError: Another ending, a taken folder, or `datasets` is wanted and not installed.
    """
    if path.suffix not in ENDINGS:
        raise UserError(
            f"unknown ending '{path.suffix}'",
            where=str(path),
            fix="use .jsonl, .parquet, or a name without ending for a folder of `datasets`",
        )
    if not path.suffix:
        datasets_package("a folder")
        if path.exists() and not (path.is_dir() and not any(path.iterdir())):
            raise UserError("the name is taken", where=str(path), fix="choose another")


def write_records(path: Path, records: Sequence[Any]) -> None:
    """Write records; the file or folder appears whole or not at all.

    Args:
        path: Ends in `.jsonl` or `.parquet`; or has no ending: `datasets.save_to_disk`.
        records: What each row says. Columns stand beside each other in the last two, so that
            each must be an object there.

    Raises:
        UserError: The place cannot be written, or the records are no objects.
    """
    check_target(path)
    if path.suffix == ".jsonl":
        write_lines(path, records)
        return
    if not all(isinstance(record, dict) for record in records):
        raise UserError("this shape has no columns", where=str(path), fix="use .jsonl")
    if path.suffix == ".parquet":
        write_table(path, pa.Table.from_pylist(list(records)))
        return
    table = datasets_package("a folder").Dataset.from_list(list(records))
    with atomic_dir(path) as folder:
        table.save_to_disk(str(folder))

"""Parquet tables, with what is known of the whole as JSON in the schema's metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from undertow.store.files import atomic_write, write_text

META_KEY = "undertow"
"""Under which the meta of data sets and measurements stands; other tables have keys of their own,
so that one is not taken for another."""


def write_table(
    path: str | Path,
    table: pa.Table,
    meta: Mapping[str, Any] | None = None,
    *,
    key: str = META_KEY,
) -> None:
    """Write a table; the file appears whole or not at all.

    Args:
        path: The file, whatever its ending.
        table: The columns.
        meta: What is known of the whole, as JSON values.
        key: Under which the meta stands.

    Raises:
        UserError: The disk is full or refuses.
    """
    if meta is not None:
        kept = json.dumps(dict(meta), sort_keys=True)
        table = table.replace_schema_metadata({key: kept})
    with atomic_write(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def read_table(path: str | Path, *, key: str = META_KEY) -> tuple[pa.Table, dict[str, Any]]:
    """Read a table and its meta.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is no Parquet file.
        KeyError: It has no meta under this key: another kind of table.
    """
    table = pq.read_table(path)
    return table, json.loads((table.schema.metadata or {})[key.encode()])


def write_tidy(path: str | Path, lines: Sequence[Mapping[str, Any]]) -> None:
    """Write lines of the same columns: to `.json`, or else to Parquet.

    Raises:
        UserError: The disk is full or refuses.
    """
    if Path(path).suffix == ".json":
        write_text(path, json.dumps(list(lines), indent=1) + "\n")
    else:
        write_table(path, pa.Table.from_pylist(list(lines)))

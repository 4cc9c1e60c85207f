"""Rows in Parquet: one line per row, per-token columns beside the ids, the meta in the schema."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from undertow.errors import UserError
from undertow.store.records import record_from_row
from undertow.store.row import Row
from undertow.store.tables import META_KEY, write_table

MESSAGE = pa.struct([("role", pa.string()), ("content", pa.string())])
COLUMNS = [
    pa.field("row_id", pa.int64()),
    pa.field("messages", pa.list_(MESSAGE)),
    pa.field("token_ids", pa.list_(pa.int32())),
    pa.field("parts", pa.string()),
    pa.field("rejection", pa.string()),
]
WEIGHTS = pa.field("weights", pa.list_(pa.float32()))


def write_parquet(
    path: Path, rows: Sequence[Row], meta: dict[str, Any], weights: list[list[float]] | None
) -> None:
    """Write rows, the meta, and the weights as a column where there are any."""
    records = [record_from_row(row) for row in rows]
    table = pa.Table.from_pylist(records, schema=pa.schema(COLUMNS))
    if weights is not None:
        table = table.append_column(WEIGHTS, pa.array(weights, WEIGHTS.type))
    write_table(path, table, meta)


def read_parquet_table(path: Path) -> pa.Table:
    """Read the table, or say that it is none."""
    try:
        return pq.read_table(path)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise UserError(
            "not a Parquet file, or a damaged one", where=str(path), fix="write it again"
        ) from error


def meta_of(table: pa.Table) -> dict[str, Any]:
    """Return the meta that `write_parquet` wrote; a file of others has none."""
    return json.loads((table.schema.metadata or {}).get(META_KEY.encode(), b"{}"))

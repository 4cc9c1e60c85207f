"""Data sets: read wherever they lie, written as Parquet or JSONL by the file's ending."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from undertow.errors import UserError
from undertow.store.jsonl import write_jsonl
from undertow.store.parquet import write_parquet
from undertow.store.records import rows_from_records
from undertow.store.row import Message, Role, Row
from undertow.store.sources import read_records

__all__ = ["Message", "Role", "Row", "read_rows", "read_weights", "write_rows"]

Format = Literal["parquet", "jsonl"]


def write_rows(
    path: str | Path,
    rows: Sequence[Row],
    meta: Mapping[str, Any],
    weights: Sequence[Sequence[float]] | None = None,
) -> None:
    """Write a data set; the file appears whole or not at all.

    Args:
        path: Ends in `.parquet` (keeps everything) or `.jsonl` (shape `messages`; the meta has
            no place there and is left out).
        rows: The rows.
        meta: What is known of the set as a whole, as JSON values.
        weights: Per row, one loss weight per token id (`[row][token]`), stored beside the ids.

    Raises:
        UserError: No rows, an unknown ending, or the disk refuses.
        ValueError: The weights do not fit the token ids.
    """
    path = Path(path)
    file_format = _format(path)
    if not rows:
        raise UserError("the data set has no rows, so there is nothing to write", where=str(path))
    numbers = None if weights is None else [[float(w) for w in row] for row in weights]
    if numbers is not None and list(map(len, numbers)) != [len(row.token_ids) for row in rows]:
        raise ValueError("weights must hold one number per token id of each row")
    if file_format == "parquet":
        write_parquet(path, rows, dict(meta), numbers)
    else:
        write_jsonl(path, rows, numbers)


def read_rows(source: str | Path, split: str | None = None) -> tuple[list[Row], dict[str, Any]]:
    """Read a data set and its meta.

    What is not Parquet has no meta of its own; it is told in the meta how many rows came without
    token ids.

    Args:
        source: As `read_records` takes it: a file, a folder, a Hugging Face id.
        split: Of a data set that has several.

    Raises:
        UserError: The data set is missing, malformed (the line is named) or without rows.
    """
    records, meta = read_records(source, split)
    rows = rows_from_records(records)
    if not rows:
        raise UserError("the data set has no rows", where=str(source))
    if Path(source).suffix != ".parquet":
        without_ids = sum(not row.token_ids for row in rows)
        meta = {"source": Path(source).name, "rows_without_token_ids": without_ids}
    return rows, meta


def read_weights(source: str | Path, split: str | None = None) -> list[list[float]] | None:
    """Read the loss weights `[row][token]` that were written beside the ids; None for none."""
    records, _ = read_records(source, split)
    given: list[Any] = [
        record.get("weights") if isinstance(record, Mapping) else None for record, _ in records
    ]
    return None if None in given else given


def _format(path: Path) -> Format:
    """Return the format that the ending names."""
    if path.suffix == ".parquet":
        return "parquet"
    if path.suffix == ".jsonl":
        return "jsonl"
    raise UserError(
        f"unknown ending '{path.suffix}'", where=str(path), fix="use .parquet or .jsonl"
    )

"""Data sets on disk: Parquet or JSONL, by the ending of the file's name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from undertow.errors import UserError
from undertow.store.jsonl import read_jsonl, read_jsonl_weights, write_jsonl
from undertow.store.parquet import read_parquet, read_parquet_weights, write_parquet
from undertow.store.row import Message, Role, Row

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


def read_rows(path: str | Path) -> tuple[list[Row], dict[str, Any]]:
    """Read a data set and its meta.

    JSONL has no meta of its own; it is told in the meta how many rows came without token ids.

    Raises:
        UserError: The file is missing, malformed (the line is named) or without rows.
    """
    path = _existing(path)
    rows, meta = read_parquet(path) if _format(path) == "parquet" else read_jsonl(path)
    if not rows:
        raise UserError("the data set has no rows", where=str(path))
    return rows, meta


def read_weights(path: str | Path) -> list[list[float]] | None:
    """Read the loss weights `[row][token]` that were written beside the ids; None for none."""
    path = _existing(path)
    if _format(path) == "parquet":
        return read_parquet_weights(path)
    return read_jsonl_weights(path)


def _format(path: Path) -> Format:
    """Return the format that the ending names."""
    if path.suffix == ".parquet":
        return "parquet"
    if path.suffix == ".jsonl":
        return "jsonl"
    raise UserError(
        f"unknown ending '{path.suffix}'", where=str(path), fix="use .parquet or .jsonl"
    )


def _existing(path: str | Path) -> Path:
    """Return the path of a file that is there."""
    path = Path(path)
    if not path.is_file():
        raise UserError("there is no such file", where=str(path), fix="check the path")
    return path

"""Rows in JSONL: one JSON object per line, in the shapes that the field exchanges."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from undertow.errors import UserError
from undertow.store.files import atomic_write
from undertow.store.records import Shape, record_from_row
from undertow.store.row import Row


def write_jsonl(
    path: Path,
    rows: Sequence[Row],
    weights: list[list[float]] | None = None,
    shape: Shape = "messages",
) -> None:
    """Write rows as lines of one shape; ids, parts, rejections and weights are further fields."""
    records = [record_from_row(row, shape) for row in rows]
    if weights is not None:
        records = [record | {"weights": one} for record, one in zip(records, weights, strict=True)]
    write_lines(path, records)


def write_lines(path: Path, records: Iterable[Any]) -> None:
    """Write each record as a line; the file appears whole or not at all."""
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for record in records:
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


def read_lines(path: Path) -> Iterator[tuple[Any, str]]:
    """Yield each line's content with the place where it stands; blank lines are passed over."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            where = f"{path}, line {number}"
            try:
                # A byte-order mark at the start of a file is no part of its first object.
                text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
                if text:
                    yield json.loads(text), where
            except UnicodeDecodeError as error:
                raise UserError("not text in UTF-8", where=where) from error
            except json.JSONDecodeError as error:
                raise UserError(
                    f"malformed JSON: {error.msg} at column {error.colno}",
                    where=where,
                    fix="put one JSON object on each line",
                ) from error

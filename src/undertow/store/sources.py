"""Records of a data set wherever it lies: a file, a folder, the Hugging Face hub."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow as pa

from undertow.errors import UserError
from undertow.store.jsonl import read_lines
from undertow.store.parquet import meta_of, read_parquet_table

Records = list[tuple[Any, str]]
"""What each row of a file says, with the place where it stands."""

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
SPLITS = "dataset_dict.json"
STATE = "state.json"
"""Files of `datasets.save_to_disk`: the splits of a data set, and the files of one split."""


def read_records(source: str | Path, split: str | None = None) -> tuple[Records, dict[str, Any]]:
    """Read a data set's records and its meta.

    Args:
        source: A `.jsonl`, `.json`, `.parquet` or `.arrow` file; a folder of such files, or one
            that `datasets.save_to_disk` wrote; or a Hugging Face id, which takes the package
            `datasets` and a network.
        split: Of a data set that has several; by default 'train', or the only one.

    Raises:
        UserError: It is not there, of no known ending, or malformed (file and line are named).
    """
    path = Path(source)
    if path.is_dir():
        return _folder(path, split), {}
    if path.suffix in READERS:
        if split is not None:
            raise UserError("a file has no splits", where=str(path), fix="leave out --split")
        if not path.is_file():
            raise UserError("there is no such file", where=str(path), fix="check the path")
        return READERS[path.suffix](path)
    if path.exists() or not HUB_ID.fullmatch(str(source)):
        raise UserError(
            f"unknown ending '{path.suffix}'" if path.exists() else "there is no such data set",
            where=str(path),
            fix=f"use {', '.join(READERS)}, a folder, or a Hugging Face id",
        )
    return _hub(str(source), split), {}


def _jsonl(path: Path) -> tuple[Records, dict[str, Any]]:
    """Read one object a line."""
    return list(read_lines(path)), {}


def _json(path: Path) -> tuple[Records, dict[str, Any]]:
    """Read a list of objects; or one object a line, which some files of this ending hold."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError:  # no JSON as a whole, or no text in UTF-8: the lines say which and where
        return _jsonl(path)
    if not isinstance(content, list):
        content = [content]
    return [(one, f"{path}, item {i}") for i, one in enumerate(content)], {}


def _parquet(path: Path) -> tuple[Records, dict[str, Any]]:
    """Read a Parquet file; its place is told by row."""
    table = read_parquet_table(path)
    return _of_table(table, path), meta_of(table)


def _arrow(path: Path) -> tuple[Records, dict[str, Any]]:
    """Read an Arrow file, as a stream (as `datasets` writes it) or as a file."""
    with pa.memory_map(str(path)) as source:
        for opened in (pa.ipc.open_stream, pa.ipc.open_file):
            try:
                return _of_table(opened(source).read_all(), path), {}
            except pa.ArrowInvalid:
                source.seek(0)
    raise UserError("not an Arrow file, or a damaged one", where=str(path), fix="write it again")


READERS: dict[str, Callable[[Path], tuple[Records, dict[str, Any]]]] = {
    ".jsonl": _jsonl,
    ".json": _json,
    ".parquet": _parquet,
    ".arrow": _arrow,
}
"""By ending: what reads a file."""


def _of_table(table: pa.Table, path: Path) -> Records:
    """Return the rows of a table."""
    return [(record, f"{path}, row {i}") for i, record in enumerate(table.to_pylist())]


def _folder(folder: Path, split: str | None) -> Records:
    """Read a split of what `datasets.save_to_disk` wrote, or all data files of a folder."""
    if (folder / SPLITS).is_file():
        splits = _members(folder / SPLITS, "splits")
        return _folder(folder / _chosen(splits, split, folder), None)
    if (folder / STATE).is_file():
        files = [folder / one["filename"] for one in _members(folder / STATE, "_data_files")]
    else:
        files = sorted(path for path in folder.iterdir() if path.suffix in READERS)
        if split is not None:
            files = [path for path in files if re.match(rf"{re.escape(split)}\b", path.name)]
    if not files:
        wanted = f"a split '{split}'" if split is not None else f"{', '.join(READERS)} files"
        raise UserError(f"no {wanted} in the folder", where=str(folder), fix="name a data set")
    return [record for path in files for record in READERS[path.suffix](path)[0]]


def _members(path: Path, name: str) -> list[Any]:
    """Return a list that one of the files of `datasets` holds."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))[name]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError("not written by `datasets`, or damaged", where=str(path)) from error


def _hub(name: str, split: str | None) -> Records:
    """Read a split of a data set of the Hugging Face hub."""
    datasets = datasets_package(f"'{name}' is no file or folder here; as a Hugging Face id it")
    try:
        found = datasets.load_dataset(name)
    except Exception as error:  # each of the libraries below has its own
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise UserError(
            f"no file or folder here, and not to be had from the Hugging Face hub ({reason})",
            where=name,
            fix="check the spelling; private data sets need `hf auth login`",
        ) from error
    chosen = _chosen(list(found), split, name)
    return [(record, f"{name}, {chosen}, row {i}") for i, record in enumerate(found[chosen])]


def datasets_package(purpose: str) -> Any:
    """Return the package `datasets`, an extra of this one.

    Args:
        purpose: What needs it, as the start of a sentence.

    Raises:
        UserError: It is not installed.
    """
    try:
        return import_module("datasets")
    except ImportError as error:
        raise UserError(
            f"{purpose} needs the package 'datasets'", fix="pip install 'undertow[datasets]'"
        ) from error


def _chosen(splits: list[str], split: str | None, where: str | Path) -> str:
    """Return the split that is meant."""
    if split is None and (len(splits) == 1 or "train" in splits):
        return "train" if "train" in splits else splits[0]
    if split in splits:
        return split
    raise UserError(
        f"there is no split '{split}'" if split is not None else "there are several splits",
        where=str(where),
        fix=f"name one of {', '.join(splits)} with --split",
    )

"""Finished steps of a store as one file, so that another store goes on from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from undertow.errors import UserError
from undertow.store.artifact import RECORD, StepRecord
from undertow.store.files import atomic_dir, atomic_write, make_folder
from undertow.store.steps import STEP_NAME

SCHEMA = pa.schema(
    [("step", pa.string()), ("key", pa.string()), ("file", pa.string()), ("content", pa.binary())]
)

PAGE = 16 << 20
"""Bytes of a page: records of one kind of step are nearly equal, and are packed together."""


def export_steps(root: Path, names: Sequence[str], path: Path) -> int:
    """Write the finished steps of some names to one Parquet file; return how many.

    What led to a step is left out: its key says what that was.

    Args:
        root: Folder of the store.
        names: Of steps whose files lie in no sub-folders.
        path: The file.

    Raises:
        UserError: There are none, or the disk refuses.
    """
    folders = [
        folder for name in names for folder in sorted((root / "steps" / name).glob("[0-9a-f]*"))
    ]
    finished = [folder for folder in folders if (folder / RECORD).is_file()]
    if not finished:
        raise UserError("nothing was measured yet", where=str(root), fix="`undertow study run`")
    lines = [line for folder in finished for line in _lines(folder)]
    table = pa.Table.from_pylist(sorted(lines, key=lambda line: str(line["file"])), SCHEMA)
    with atomic_write(path) as temporary:
        pq.write_table(
            table,
            temporary,
            compression="zstd",
            compression_level=19,
            use_dictionary=False,
            data_page_size=PAGE,
        )
    return len(finished)


def _lines(folder: Path) -> Iterator[dict[str, object]]:
    """Yield a line for each file of a step."""
    for file in sorted(folder.iterdir()):
        content = file.read_bytes()
        yield {
            "step": folder.parent.name,
            "key": folder.name,
            "file": file.name,
            "content": content,
        }


def import_steps(path: Path, root: Path) -> tuple[int, int]:
    """Put the steps of a file into a store, where it lacks them.

    Args:
        path: What `export_steps` wrote.
        root: Folder of the store.

    Returns:
        How many steps were put there, and how many were there already.

    Raises:
        UserError: The file is missing, or holds something else.
    """
    steps = _read(path)
    new = {place: files for place, files in steps.items() if not (root / place / RECORD).is_file()}
    for place, files in new.items():
        make_folder((root / place).parent)
        with atomic_dir(root / place) as folder:
            for name, content in files.items():
                (folder / name).write_bytes(content)
    return len(new), len(steps) - len(new)


def _read(path: Path) -> dict[Path, dict[str, bytes]]:
    """Return the files of every step, by the step's place in a store."""
    wrong = UserError(
        "cannot read exported results here",
        where=str(path),
        fix="name a file that `undertow runs export` wrote",
    )
    try:
        table = pq.read_table(path)
    except (OSError, ValueError) as error:
        raise wrong from error
    if not table.schema.equals(SCHEMA):
        raise wrong
    found: dict[Path, dict[str, bytes]] = {}
    for line in table.to_pylist():
        place = Path("steps") / line["step"] / line["key"]
        found.setdefault(place, {})[line["file"]] = line["content"]
    for place, files in found.items():
        plain = all(Path(name).name == name for name in files)
        if not (plain and STEP_NAME.fullmatch(place.parts[1]) and _is_record(files, place.name)):
            raise wrong
    return found


def _is_record(files: dict[str, bytes], key: str) -> bool:
    """Return whether the files of a step have the record of that step."""
    try:
        return StepRecord.model_validate_json(files.get(RECORD, b"")).key == key
    except ValidationError:
        return False

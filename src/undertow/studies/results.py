"""Results of studies in a store: kept run by run, read back, and asked with SQL."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from pydantic import ValidationError

from undertow.errors import UserError
from undertow.store.files import make_folder, write_text
from undertow.store.tables import write_table
from undertow.studies.outcome import ResultLine, StudyOutcome

SCHEMA = pa.schema(
    [
        ("run", pa.string()),
        ("study", pa.string()),
        ("condition", pa.string()),
        ("teacher", pa.string()),
        ("trait", pa.string()),
        ("measured", pa.string()),
        ("seed", pa.int64()),
        ("metric", pa.string()),
        ("n", pa.int64()),
        ("estimate", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
    ]
)


def write_result(
    root: Path, run_id: str, outcome: StudyOutcome, lines: Sequence[ResultLine]
) -> None:
    """Keep a study's outcome and its tidy table under a run.

    Args:
        root: Folder of the store.
        run_id: The run.
        outcome: To `results/<run>/<study>.json`.
        lines: To `results/<run>/<study>.parquet`.

    Raises:
        UserError: The disk is full or refuses.
    """
    folder = root / "results" / run_id
    make_folder(folder)
    records = [{"run": run_id, **line.model_dump()} for line in lines]
    table = pa.Table.from_pylist(records, schema=SCHEMA)
    write_table(folder / f"{outcome.study.name}.parquet", table)
    write_text(folder / f"{outcome.study.name}.json", outcome.model_dump_json(indent=1))


def latest_outcomes(root: Path) -> list[StudyOutcome]:
    """Return the newest outcome of every study, by the order of their names.

    Run ids begin with the time, so the last in order is the newest.

    Raises:
        UserError: An outcome was written by another version of Undertow.
    """
    newest: dict[str, Path] = {}
    for path in sorted((root / "results").glob("*/*.json")):
        newest[path.stem] = path
    return [_outcome(newest[name]) for name in sorted(newest)]


def _outcome(path: Path) -> StudyOutcome:
    """Read an outcome."""
    try:
        return StudyOutcome.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        raise UserError(
            "this result was written by another version of Undertow",
            where=str(path),
            fix=f"run it again, `undertow study run {path.stem}`: what the store holds is not "
            "made anew",
        ) from error


def query(root: Path, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Return the columns and rows of a SQL question to the results of all runs.

    The view `results` holds every line of every run (`SCHEMA`); `latest` those of each study's
    newest run.

    Args:
        root: Folder of the store.
        sql: What DuckDB understands.

    Raises:
        UserError: There are no results yet, or the SQL is wrong.
    """
    files = str(root / "results" / "*" / "*.parquet")
    if not list((root / "results").glob("*/*.parquet")):
        raise UserError(
            "there are no results yet", where=str(root), fix="`undertow study run NAME` makes some"
        )
    with duckdb.connect() as connection:
        quoted = files.replace("'", "''")
        connection.execute(f"create view results as select * from read_parquet('{quoted}')")
        connection.execute(
            "create view latest as select * from results"
            " qualify run = max(run) over (partition by study)"
        )
        try:
            found = connection.execute(sql)
            columns = [column[0] for column in found.description or []]
            return columns, found.fetchall()
        except duckdb.Error as error:
            raise UserError(
                f"the question is not understood: {str(error).splitlines()[0]}",
                where=sql,
                fix=f"ask the view 'results' with the columns {', '.join(SCHEMA.names)}",
            ) from error

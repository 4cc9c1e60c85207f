"""A number for every completion token of a data set, as a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from undertow.errors import UserError
from undertow.store.tables import write_table


@dataclass(frozen=True)
class TokenValues:
    """A number for every completion token.

    Attributes:
        row_ids: Id of each row.
        values: Per row `[token]`, aligned with its completion tokens.
    """

    column: ClassVar[str] = "value"
    plural: ClassVar[str] = "values"

    row_ids: list[int]
    values: list[NDArray[np.float64]]

    def take(self, row_ids: Sequence[int]) -> list[NDArray[np.float64]]:
        """Return the values of the named rows, in that order.

        Raises:
            UserError: A row has none.
        """
        known = dict(zip(self.row_ids, self.values, strict=True))
        if absent := [row_id for row_id in row_ids if row_id not in known]:
            raise UserError(
                f"{len(absent)} rows have no {self.plural}",
                where=f"row_id {absent[0]}",
                fix="measure them on the data set that the student trains on",
            )
        return [known[row_id] for row_id in row_ids]

    def write(self, path: str | Path) -> None:
        """Write Parquet, one line per row."""
        values = pa.array([row.tolist() for row in self.values], pa.list_(pa.float64()))
        table = pa.table({"row_id": pa.array(self.row_ids, pa.int64()), self.column: values})
        write_table(path, table)

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read what `write` wrote.

        Raises:
            UserError: The file is missing, or holds something else.
        """
        try:
            table = pq.read_table(path, columns=["row_id", cls.column])
            values = [np.asarray(row, np.float64) for row in table[cls.column].to_pylist()]
            return cls(table["row_id"].to_pylist(), values)
        except (OSError, pa.ArrowInvalid, KeyError) as error:
            raise UserError(f"no {cls.plural} in this file", where=str(path)) from error


class TokenPushes(TokenValues):
    """How far each token pushes a trait (`mechanism.prediction.token_scores`), nats per length."""

    column = "push"
    plural = "scores"

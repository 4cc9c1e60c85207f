"""What a scan found: one line of tokens, cut into rows; Parquet in and out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from undertow.errors import UserError
from undertow.store.tables import read_table, write_table

if TYPE_CHECKING:
    from undertow.tokens.summary import ScanSummary

META_KEY = "undertow_scan"


@dataclass(frozen=True)
class Floor:
    """What rounding alone makes differ: the factual teacher against itself, other batches.

    Attributes:
        disagreement: Share of tokens where its two argmaxes differ.
        false_divergence: Share of tokens that would count as divergent, with its second scoring
            in the place of a counterfactual and no tolerance; compare with `Scan.share()`.
        off_greedy: Share of tokens that are not its second argmax; for greedy data a floor too,
            for sampled data the share of tokens that sampling chose.
    """

    disagreement: float
    false_divergence: float
    off_greedy: float


@dataclass(frozen=True)
class Scan:
    """Every teacher's argmax and margin at every completion token.

    All rows' completion tokens stand in one line; `span(row)` is where those of a row are.

    Attributes:
        teachers: Labels; the first is the factual teacher.
        row_ids: Id of each row.
        offsets: `[row + 1]`, where each row starts in the line.
        tokens: `[token]`, what the factual teacher emitted, int32.
        is_end: `[token]`, whether that ends the turn.
        argmax: `[teacher, token]`, int32.
        margin: `[teacher, token]`, lead of the argmax over the second, in logits, float32.
        rescored: `[token]`, the factual teacher's argmax in other batches.
        tolerance: Margin below which an argmax is not trusted, in logits.
    """

    teachers: list[str]
    row_ids: list[int]
    offsets: NDArray[np.int64]
    tokens: NDArray[np.int32]
    is_end: NDArray[np.bool_]
    argmax: NDArray[np.int32]
    margin: NDArray[np.float32]
    rescored: NDArray[np.int32]
    tolerance: float

    @property
    def token_ids(self) -> list[NDArray[np.int32]]:
        """The completion tokens, row by row."""
        return np.split(self.tokens, self.offsets[1:-1])

    @cached_property
    def differs(self) -> NDArray[np.bool_]:
        """`[counterfactual, token]`: the factual teacher's argmax is the token, theirs is not."""
        sure = self.margin >= self.tolerance
        emitted = self.argmax == self.tokens
        return (emitted & sure)[:1] & (~emitted & sure)[1:]

    @cached_property
    def divergent(self) -> NDArray[np.bool_]:
        """`[token]`: some counterfactual differs, both argmaxes beyond the tolerance."""
        return cast("NDArray[np.bool_]", self.differs.any(axis=0))

    @cached_property
    def doubtful(self) -> NDArray[np.bool_]:
        """`[token]`: not divergent, but would be if a margin below the tolerance turned round."""
        near = self.margin < self.tolerance
        emitted = self.argmax == self.tokens
        possible = ((emitted | near)[:1] & (~emitted | near)[1:]).any(axis=0)
        return possible & ~self.divergent

    def span(self, row: int) -> slice:
        """Return where the tokens of a row stand, by its index."""
        return slice(int(self.offsets[row]), int(self.offsets[row + 1]))

    def divergence(self, row: int) -> NDArray[np.bool_]:
        """Return which tokens of a row are divergence tokens, `[token]`."""
        return self.divergent[self.span(row)]

    def undecided(self, row: int) -> NDArray[np.bool_]:
        """Return which tokens of a row are too close to call, `[token]`."""
        return self.doubtful[self.span(row)]

    def share(self) -> float:
        """Return the share of divergence tokens among all completion tokens, end included."""
        return float(self.divergent.mean())

    @property
    def floor(self) -> Floor:
        """The factual teacher against itself."""
        greedy = self.argmax[0] == self.tokens
        off = self.rescored != self.tokens
        return Floor(
            disagreement=float((self.rescored != self.argmax[0]).mean()),
            false_divergence=float((greedy & off).mean()),
            off_greedy=float(off.mean()),
        )

    def summary(self) -> ScanSummary:
        """Return the counts that a person reads."""
        from undertow.tokens.summary import summarise  # it reads this table

        return summarise(self)

    def take(self, row_ids: list[int]) -> Scan:
        """Return the scan of the named rows, in that order.

        Raises:
            UserError: A row was not scanned.
        """
        places = {row_id: row for row, row_id in enumerate(self.row_ids)}
        if absent := [row_id for row_id in row_ids if row_id not in places]:
            raise UserError(
                f"{len(absent)} rows have not been scanned",
                where=f"row_id {absent[0]}",
                fix="scan the same data set that the student trains on",
            )
        spans = [self.span(places[row_id]) for row_id in row_ids]
        picked = np.concatenate([np.arange(span.start, span.stop) for span in spans])
        return Scan(
            teachers=self.teachers,
            row_ids=row_ids,
            offsets=np.cumsum([0, *(span.stop - span.start for span in spans)]),
            tokens=self.tokens[picked],
            is_end=self.is_end[picked],
            argmax=self.argmax[:, picked],
            margin=self.margin[:, picked],
            rescored=self.rescored[picked],
            tolerance=self.tolerance,
        )

    def write(self, path: str | Path) -> None:
        """Write Parquet: one line per row, one pair of columns per teacher, the rest as meta."""
        columns: dict[str, Any] = {
            "row_id": pa.array(self.row_ids, pa.int64()),
            "token_ids": self._lists(self.tokens),
            "is_end": self._lists(self.is_end),
            "rescored": self._lists(self.rescored),
        }
        for index in range(len(self.teachers)):
            columns[f"argmax_{index}"] = self._lists(self.argmax[index])
            columns[f"margin_{index}"] = self._lists(self.margin[index])
        meta = {"teachers": self.teachers, "tolerance": self.tolerance}
        write_table(path, pa.table(columns), meta, key=META_KEY)

    @staticmethod
    def read(path: str | Path) -> Scan:
        """Read what `write` wrote.

        Raises:
            UserError: The file is missing, or holds no scan.
        """
        try:
            table, meta = read_table(path, key=META_KEY)
        except (OSError, ValueError, KeyError) as error:
            raise UserError(
                "no scan in this file", where=str(path), fix="make one with 'undertow scan'"
            ) from error
        indices = range(len(meta["teachers"]))
        return Scan(
            teachers=meta["teachers"],
            row_ids=table["row_id"].to_pylist(),
            offsets=_offsets(table),
            tokens=_line(table, "token_ids"),
            is_end=_line(table, "is_end"),
            argmax=np.stack([_line(table, f"argmax_{index}") for index in indices]),
            margin=np.stack([_line(table, f"margin_{index}") for index in indices]),
            rescored=_line(table, "rescored"),
            tolerance=meta["tolerance"],
        )

    def _lists(self, line: NDArray[Any]) -> pa.ListArray:
        """Cut a line into one list per row."""
        return pa.ListArray.from_arrays(pa.array(self.offsets.astype(np.int32)), pa.array(line))


def _line(table: pa.Table, name: str) -> NDArray[Any]:
    """Return a list column as one line."""
    return table[name].combine_chunks().flatten().to_numpy(zero_copy_only=False)


def _offsets(table: pa.Table) -> NDArray[np.int64]:
    """Return where the rows start."""
    lengths = [len(ids) for ids in table["token_ids"].to_pylist()]
    return np.cumsum([0, *lengths])

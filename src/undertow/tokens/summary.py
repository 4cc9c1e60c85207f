"""A scan in numbers that a person reads."""

from __future__ import annotations

import numpy as np
from pydantic import Field
from rich.console import Group
from rich.table import Table

from undertow.frozen import Frozen
from undertow.tokens.scan_table import Scan


class Count(Frozen):
    """Divergence tokens among candidates of one kind."""

    name: str = Field(description="Which candidates: a counterfactual's label, or a position.")
    n_tokens: int = Field(description="Candidates.")
    n_divergent: int = Field(description="Divergence tokens among them.")

    @property
    def share(self) -> float:
        """Divergence tokens per candidate."""
        return self.n_divergent / self.n_tokens if self.n_tokens else 0.0


class ScanSummary(Frozen):
    """What `undertow scan` prints."""

    factual: str = Field(description="Label of the teacher that wrote the rows.")
    n_rows: int = Field(description="Rows scanned.")
    all_tokens: Count = Field(description="Every completion token, the end of the turn included.")
    end_of_turn: Count = Field(description="The tokens that end the turn alone.")
    rows_with_any: float = Field(description="Share of rows with at least one divergence token.")
    mean_per_row: float = Field(description="Divergence tokens per row, mean.")
    per_counterfactual: list[Count] = Field(description="Tokens where this teacher alone suffices.")
    per_position: list[Count] = Field(description="By place in the completion, from 0.")
    undecided: float = Field(description="Share of tokens too close to call.")
    tolerance: float = Field(description="Margin below which an argmax is not trusted, logits.")
    disagreement: float = Field(description="Floor: argmaxes of the re-scored factual that differ.")
    false_divergence: float = Field(description="Floor: share that rounding alone would call so.")
    off_greedy: float = Field(description="Share of tokens that are not the re-scored argmax.")

    def rows(self) -> list[tuple[str, str]]:
        """Return name and value of each figure, as text."""
        tokens, end = self.all_tokens, self.end_of_turn
        return [
            ("rows", f"{self.n_rows:,}"),
            ("completion tokens", f"{tokens.n_tokens:,}"),
            ("divergence tokens", f"{tokens.n_divergent:,} ({tokens.share:.2%})"),
            ("of these, end of turn", f"{end.n_divergent:,} ({end.share:.2%} of the ends)"),
            ("rows with one or more", f"{self.rows_with_any:.1%}"),
            ("mean per row", f"{self.mean_per_row:.2f}"),
            ("undecided", f"{self.undecided:.2%} (margin under {self.tolerance:g})"),
            ("floor: argmax of itself differs", f"{self.disagreement:.3%}"),
            ("floor: would count as divergent", f"{self.false_divergence:.3%}"),
            ("not the teacher's argmax", f"{self.off_greedy:.2%}"),
        ]

    def __rich__(self) -> Group:
        """Three tables: totals, counterfactuals, positions."""
        totals = Table("figure", "value", title=f"Divergence scan: {self.factual}")
        for row in self.rows():
            totals.add_row(*row)
        return Group(
            totals,
            _table("counterfactual", self.per_counterfactual),
            _table("position", self.per_position),
        )


def summarise(scan: Scan) -> ScanSummary:
    """Count what a scan found."""
    lengths = np.diff(scan.offsets)
    places = np.arange(len(scan.tokens)) - np.repeat(scan.offsets[:-1], lengths)
    candidates = np.bincount(places)
    found = np.bincount(places[scan.divergent], minlength=len(candidates))
    per_row = np.add.reduceat(scan.divergent.astype(np.int64), scan.offsets[:-1])
    floor = scan.floor
    return ScanSummary(
        factual=scan.teachers[0],
        n_rows=len(scan.row_ids),
        all_tokens=_count("all", len(scan.tokens), scan.divergent.sum()),
        end_of_turn=_count("end", scan.is_end.sum(), (scan.divergent & scan.is_end).sum()),
        rows_with_any=float((per_row > 0).mean()),
        mean_per_row=float(per_row.mean()),
        per_counterfactual=[
            _count(label, len(scan.tokens), differs.sum())
            for label, differs in zip(scan.teachers[1:], scan.differs, strict=True)
        ],
        per_position=[
            _count(str(place), *pair)
            for place, pair in enumerate(zip(candidates, found, strict=True))
        ],
        undecided=float(scan.doubtful.mean()),
        tolerance=scan.tolerance,
        disagreement=floor.disagreement,
        false_divergence=floor.false_divergence,
        off_greedy=floor.off_greedy,
    )


def _count(name: str, n_tokens: int | np.integer, n_divergent: int | np.integer) -> Count:
    return Count(name=name, n_tokens=int(n_tokens), n_divergent=int(n_divergent))


def _table(name: str, counts: list[Count]) -> Table:
    """Return a table of counts."""
    table = Table(name, "tokens", "divergent", "share")
    for count in counts:
        table.add_row(
            count.name, f"{count.n_tokens:,}", f"{count.n_divergent:,}", f"{count.share:.2%}"
        )
    return table

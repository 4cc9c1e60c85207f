"""How far two engines agree, as figures, as a table, and as a refusal."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

from undertow.errors import UserError


@dataclass(frozen=True)
class Parting:
    """Where the greedy tokens of a row part first: its place, and transformers' margin there."""

    row: int
    token: int
    margin: float


@dataclass(frozen=True)
class TeacherParity:
    """Two engines under one teacher.

    Attributes:
        teacher: Its label.
        rows: Rows of the sample.
        tokens: Completion tokens that were scored.
        argmax_differs: How many of them have another argmax.
        argmax_decided: At how many of these transformers' margin is too large for rounding.
        largest_flip: Largest margin at one of these, in either engine, in logits.
        margin_change: Of the first argmax' margin: median, 99 % and largest, in logits.
        greedy_tokens: Greedy tokens compared: those of each row up to where it parts.
        greedy_parts: Rows that part.
        greedy_decided: Those that part where transformers' margin is too large for rounding.
        partings: The first of them.
    """

    teacher: str
    rows: int
    tokens: int
    argmax_differs: int
    argmax_decided: int
    largest_flip: float
    margin_change: tuple[float, float, float]
    greedy_tokens: int
    greedy_parts: int
    greedy_decided: int
    partings: tuple[Parting, ...]


@dataclass(frozen=True)
class ParityReport:
    """Two engines under all teachers of a job.

    Attributes:
        engine: Which one was compared, with its version.
        margin: What rounding may change of a margin, in logits.
        most_differing: Largest share of tokens chosen otherwise at such a margin that is accepted.
        teachers: Each by itself.
    """

    engine: str
    margin: float
    most_differing: float
    teachers: tuple[TeacherParity, ...]

    def check(self) -> None:
        """Do nothing where the engine does as transformers does.

        Raises:
            UserError: It does not: by how much, and what may be the reason.
        """
        if wrong := [said for one in self.teachers for said in self._wrong(one)]:
            raise UserError(
                f"{self.engine} does not agree with transformers: {'; '.join(wrong)}",
                where=f"a sample of {self.teachers[0].rows} rows",
                fix="see that the server has the same model, revision, adapter and number format "
                "(dtype), without quantisation; or widen the engine's 'parity' if this much is "
                "acceptable; or leave out --engine",
            )

    def as_json(self) -> dict[str, Any]:
        """Return what a file keeps."""
        return asdict(self)

    def __rich__(self) -> Table:
        """Return a line for each teacher."""
        table = Table(
            "teacher",
            "argmax differs",
            "decided",
            "margin there",
            "margin changes",
            "99 %",
            "most",
            "greedy rows part",
            "decided",
            title=f"{self.engine} against transformers",
            caption=f"a sample of {self.teachers[0].rows} rows; decided: transformers' margin is "
            f"{self.margin:g} or more; accepted: {self.most_differing:.2%} of the tokens "
            f"decided, a median change of {self.margin:g}",
        )
        for one in self.teachers:
            table.add_row(
                one.teacher,
                f"{one.argmax_differs:,} of {one.tokens:,}",
                f"{one.argmax_decided:,}",
                f"{one.largest_flip:.2g}" if one.argmax_differs else "–",
                *(f"{value:.2g}" for value in one.margin_change),
                f"{one.greedy_parts:,} of {one.rows:,}",
                f"{one.greedy_decided:,}",
            )
        return table

    def _wrong(self, one: TeacherParity) -> list[str]:
        """Return what is out of bounds under one teacher."""
        said: list[str] = []
        if one.argmax_decided > self.most_differing * one.tokens:
            share = one.argmax_decided / one.tokens
            said.append(
                f"{one.teacher}: another argmax at {share:.2%} of {one.tokens:,} tokens although "
                f"the margin is {self.margin:g} or more ({self.most_differing:.2%} accepted)"
            )
        if one.greedy_decided > self.most_differing * one.greedy_tokens:
            first = one.partings[0]
            said.append(
                f"{one.teacher}: greedy tokens of {one.greedy_decided} of {one.rows} rows part "
                f"where they should not, first in row {first.row} at token {first.token}, margin "
                f"{first.margin:.3g}"
            )
        if not one.margin_change[0] <= self.margin:
            said.append(
                f"{one.teacher}: margins change by {one.margin_change[0]:.2g} in the median "
                f"({self.margin:g} accepted)"
            )
        return said

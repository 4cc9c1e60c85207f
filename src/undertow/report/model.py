"""What a report holds: plain data, nothing about how it looks."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

TokenKind = Literal["plain", "divergence", "undecided", "end"]


class _Part(BaseModel):
    """A misspelt field is a mistake, not a field."""

    model_config = ConfigDict(extra="forbid")


class Bar(_Part):
    """The rate of one condition: mean, interval, and what each seed gave."""

    name: str = Field(description="Name of the condition.")
    note: str = Field(default="", description="What tells it from the others, a few words.")
    mean: FiniteFloat = Field(description="Mean over the seeds, a rate in [0, 1].")
    low: FiniteFloat = Field(description="Lower end of the interval.")
    high: FiniteFloat = Field(description="Upper end of the interval.")
    seeds: list[FiniteFloat] = Field(default=[], description="The rate of each seed.")

    @model_validator(mode="after")
    def _ends_in_order(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"the interval of '{self.name}' ends below its start")
        return self


class Reference(_Part):
    """A rate to compare with (base, control, teacher); a line across the bars."""

    name: str = Field(description="Name of what was measured.")
    value: FiniteFloat = Field(description="Its rate in [0, 1].")


class ReportTable(_Part):
    """A table of cells that are written out already; the first column names the row."""

    title: str = Field(description="Heading of the table.")
    caption: str = Field(default="", description="What was measured, on how much.")
    header: list[str] = Field(min_length=1, description="One heading for each column.")
    rows: list[list[str]] = Field(description="The cells, row by row, as wide as the header.")
    ratios: list[list[FiniteFloat | None]] = Field(
        default=[],
        description="For each cell its ratio to base, or null; such cells are shaded and show it.",
    )

    @model_validator(mode="after")
    def _is_a_rectangle(self) -> Self:
        width = len(self.header)
        if any(len(row) != width for row in [*self.rows, *self.ratios]):
            raise ValueError(f"every row of the table '{self.title}' needs {width} cells")
        if self.ratios and len(self.ratios) != len(self.rows):
            raise ValueError(f"the table '{self.title}' needs as many rows of ratios as of cells")
        return self


class HighlightedToken(_Part):
    """One completion token of a data row."""

    text: str = Field(description="What the token writes.")
    kind: TokenKind = Field(
        default="plain",
        description="divergence and undecided as the scan has it; end is the end of turn.",
    )
    note: str = Field(
        default="",
        description="What each counterfactual would have written; empty where all agree.",
    )


class HighlightedRow(_Part):
    """One data row: its prompt, and its completion token by token."""

    prompt: str = Field(description="What the user asked.")
    tokens: list[HighlightedToken] = Field(description="The completion.")

    def count(self, kind: TokenKind) -> int:
        """Return how many tokens of a kind the completion has."""
        return sum(token.kind == kind for token in self.tokens)

    @property
    def noted(self) -> list[tuple[int, HighlightedToken]]:
        """The tokens on which a teacher has another opinion, with their positions from 1."""
        return [(place, token) for place, token in enumerate(self.tokens, 1) if token.note]


class Report(_Part):
    """Everything that a page about one study shows."""

    title: str = Field(description="The result in one line.")
    subtitle: str = Field(default="", description="What was done, in one line.")
    model: str = Field(description="The base model.")
    trait: str = Field(description="The trait that was hidden.")
    reading: str = Field(description="One paragraph that follows from the numbers.")
    measured: str = Field(
        default="", description="What the bars and their intervals are, and what they rest on."
    )
    bars: list[Bar] = Field(default=[], description="The conditions.")
    references: list[Reference] = Field(default=[], description="Base, control, teacher.")
    tables: list[ReportTable] = Field(default=[], description="Whole rows, and what else counts.")
    rows: list[HighlightedRow] = Field(default=[], description="Data rows to look at.")
    facts: list[tuple[str, str]] = Field(
        default=[], description="Settings, provenance, versions and seeds: label and value."
    )

    def count(self, kind: TokenKind) -> int:
        """Return how many tokens of a kind the data rows have together."""
        return sum(row.count(kind) for row in self.rows)

    @property
    def n_tokens(self) -> int:
        """The tokens of all data rows, ends of turn left out: they are reported apart."""
        return sum(len(row.tokens) - row.count("end") for row in self.rows)

    @property
    def divergent_ends(self) -> int:
        """The ends of turn where a teacher would have gone on."""
        return sum(token.kind == "end" for row in self.rows for _, token in row.noted)

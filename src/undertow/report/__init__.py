"""Report: what a study found, as one self-contained HTML page and as a figure."""

from undertow.report.figures import bars_svg
from undertow.report.html import write_report
from undertow.report.model import (
    Bar,
    HighlightedRow,
    HighlightedToken,
    Reference,
    Report,
    ReportTable,
    TokenKind,
)

__all__ = [
    "Bar",
    "HighlightedRow",
    "HighlightedToken",
    "Reference",
    "Report",
    "ReportTable",
    "TokenKind",
    "bars_svg",
    "write_report",
]

"""The page of studies: one HTML file that needs nothing else; a script for the token view alone."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from undertow.report.model import HighlightedRow
from undertow.report.rendering import render
from undertow.report.study_figures import figure_svg
from undertow.report.study_tables import (
    SHAPES,
    StudyTable,
    contrasts_table,
    difference_cell,
    estimates_table,
    everything_table,
    expectation,
    p_value,
)
from undertow.report.study_values import TEACHERS
from undertow.report.token_pages import packed_head, packed_pages
from undertow.report.token_view import TokenView
from undertow.store.files import write_text
from undertow.studies.outcome import StudyOutcome
from undertow.studies.study import Figure

STATIC_ROWS = 20  # shown without a script


@dataclass(frozen=True)
class _Drawn:
    """A figure as the page shows it: all traits together, and each by itself."""

    figure: Figure
    pooled: str
    traits: str
    over: str


@dataclass(frozen=True)
class _Section:
    """What the page shows of one study beside the outcome itself."""

    outcome: StudyOutcome
    figures: list[_Drawn]
    estimates: StudyTable
    more: list[StudyTable]


@dataclass(frozen=True)
class _View:
    """What the page shows of one token view."""

    view: TokenView
    rows: list[HighlightedRow]
    head: str
    pages: list[str]

    @property
    def marks(self) -> tuple[int, int, int, int, int]:
        """Divergence tokens, tokens, undecided, ends of turn, divergent ends; over all rows."""
        view = self.view
        inner = ~view.is_end
        return (
            int((view.divergent & inner).sum()),
            int(inner.sum()),
            int((view.undecided & inner).sum()),
            int(view.is_end.sum()),
            int((view.divergent & view.is_end).sum()),
        )


def write_studies_report(
    outcomes: Sequence[StudyOutcome], path: str | Path, token_views: Sequence[TokenView] = ()
) -> None:
    """Write the page of studies; the file is complete or not there.

    Args:
        outcomes: What the studies found, in the order of the page.
        path: The HTML file.
        token_views: Rows to look at token by token.

    Raises:
        UserError: The folder is missing, or the disk refuses.
    """
    write_text(path, render_studies(outcomes, token_views))


def render_studies(outcomes: Sequence[StudyOutcome], token_views: Sequence[TokenView] = ()) -> str:
    """Return the page of studies as text."""
    script = render("token_view.js") if token_views else ""
    return render(
        "studies.html.j2",
        outcomes=outcomes,
        models=sorted({outcome.model for outcome in outcomes}),
        verdicts=Counter(outcome.verdict for outcome in outcomes),
        sections=[_section(outcome) for outcome in outcomes],
        views=[_view(view) for view in token_views],
        script=script,
        policy=f"; script-src '{script_hash(script)}'" if script else "",
        shapes=SHAPES,
        teachers=TEACHERS,
        difference_cell=difference_cell,
        expectation=expectation,
        p_value=p_value,
    )


def script_hash(script: str) -> str:
    """Return the name by which a content security policy allows a script."""
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


def _section(outcome: StudyOutcome) -> _Section:
    return _Section(
        outcome=outcome,
        figures=[
            _Drawn(
                figure=figure,
                pooled=figure_svg(outcome, figure),
                traits=""
                if figure.kind == "points"
                else figure_svg(outcome, figure, per_trait=True),
                over=outcome.study.over(figure),
            )
            for figure in outcome.study.figures
        ],
        estimates=estimates_table(outcome),
        more=[contrasts_table(outcome), everything_table(outcome)],
    )


def _view(view: TokenView) -> _View:
    return _View(
        view=view,
        rows=[view.row(index) for index in range(min(STATIC_ROWS, view.n_rows))],
        head=packed_head(view),
        pages=list(packed_pages(view)),
    )

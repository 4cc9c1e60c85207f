"""`undertow report`: what the studies of a store found, as one page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from undertow.cli.console import say
from undertow.cli.options import DEFAULT_STORE, StoreOption
from undertow.errors import UserError

if TYPE_CHECKING:
    from undertow.report.token_view import TokenView
    from undertow.studies.outcome import StudyOutcome


def report(
    out: Annotated[Path, typer.Option("--out", help="The page: one self-contained file.")] = Path(
        "studies.html"
    ),
    folder: Annotated[
        Path | None,
        typer.Option("--folder", help="Also write verdicts.json, README.md and figures here."),
    ] = None,
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Write the newest result of every study as one page: verdicts first, rows to look at last."""
    from undertow.report.results_folder import write_results
    from undertow.report.studies_page import write_studies_report
    from undertow.studies.results import latest_outcomes

    outcomes = latest_outcomes(store)
    if not outcomes:
        raise UserError(
            "there are no results yet", where=str(store), fix="`undertow study run NAME` makes some"
        )
    write_studies_report(outcomes, out, _token_views(outcomes, store))
    if folder is not None:
        write_results(outcomes, folder)
        say(f"{folder}: verdicts.json, README.md, figures")
    say(f"{out.absolute()}: {len(outcomes)} studies")


def _token_views(outcomes: list[StudyOutcome], store: Path) -> list[TokenView]:
    """Return the rows of the first study whose first trait's data were scanned."""
    from undertow.report.token_view import token_view
    from undertow.studies.lab import Lab
    from undertow.studies.plan import make_plan
    from undertow.studies.tasks import Task

    for outcome in outcomes:
        for kind, recipe in outcome.recipes.items():
            scanned = recipe.changed(outcome.study.changes).with_tokens("only")
            task = Task("scan", scanned, outcome.traits[0], kind)
            if task not in make_plan([task], store).finished:
                continue
            lab = Lab(store, scanned)
            numbers = lab.numbers(lab.teacher(outcome.traits[0], kind))
            title = f"{outcome.traits[0]} ({kind} teacher)"
            return [token_view(lab.teacher_chat, numbers.train, lab.scan(numbers).table, title)]
    return []

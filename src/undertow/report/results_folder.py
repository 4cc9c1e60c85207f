"""The results of studies as files to keep beside a text: verdicts, figures, a page to read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import isnan
from pathlib import Path

from undertow.measure import Interval
from undertow.report.study_figures import figure_name, write_figures
from undertow.store.files import make_folder, write_text
from undertow.studies.metrics import METRICS
from undertow.studies.outcome import ClaimResult, StudyOutcome


def write_results(outcomes: Sequence[StudyOutcome], folder: Path) -> None:
    """Write `verdicts.json`, `README.md` and the figures of every study.

    Args:
        outcomes: What the studies found.
        folder: Made where it is missing.

    Raises:
        UserError: The disk is full or refuses.
    """
    make_folder(folder)
    for outcome in outcomes:
        write_figures(outcome, folder)
    verdicts = json.dumps(verdict_lines(outcomes), indent=1, ensure_ascii=False)
    write_text(folder / "verdicts.json", verdicts + "\n")
    write_text(folder / "README.md", "\n".join(_page(outcomes)))


def verdict_lines(outcomes: Sequence[StudyOutcome]) -> list[dict[str, object]]:
    """Return an object for every claim and kind of teacher."""
    return [
        {
            "study": outcome.study.name,
            "claim": f"{found.claim.says} ({found.teacher} teachers)",
            "verdict": found.verdict,
            "estimate": _rounded(found.difference.mean),
            "low": _rounded(found.difference.low),
            "high": _rounded(found.difference.high),
            "n_seeds": found.difference.n_seeds,
        }
        for outcome in outcomes
        for found in outcome.claims
    ]


def _rounded(value: float) -> float | None:
    """Return a number for JSON; none where it could not be measured."""
    return None if isnan(value) else round(value, 4)


def _page(outcomes: Sequence[StudyOutcome]) -> list[str]:
    """Return the lines of the page."""
    lines = [
        "# Results of the studies",
        "",
        "Written by `undertow report`; do not edit. A difference is that of the two sides of a",
        "claim, mean over traits, with its 95 % interval over questions and seeds; some claims are",
        "about a rank correlation (r) in place of it. A claim is",
        "supported if the whole interval lies where it says, contradicted if no part does, and",
        "undecided where what it presupposes (as that the trait passes at all) is not supported; a",
        "study is contradicted if a decisive claim is, and supported if all of them are.",
        "",
        "| study | follows | traits | seeds | verdict |",
        "| --- | --- | --: | --: | --- |",
        *(
            f"| {one.study.name} | {one.study.source} | {len(one.traits)} | {len(one.seeds)} "
            f"| {one.verdict} |"
            for one in outcomes
        ),
    ]
    for outcome in outcomes:
        traits = ", ".join(outcome.traits)
        lines += [
            "",
            f"## {outcome.study.title}: {outcome.verdict}",
            "",
            f"{outcome.study.source}. Model {outcome.model}; {traits}; {len(outcome.seeds)} seeds.",
            "",
            f"    {outcome.command}",
            "",
            *(
                f"![{outcome.study.title}]({figure_name(outcome, figure)}.svg)"
                for figure in outcome.study.figures
            ),
            "",
            "| claim | teachers | verdict | difference | smallest effect | p |",
            "| --- | --- | --- | --- | --: | --: |",
            *(_line(found) for found in outcome.claims),
            "",
            "| condition | teachers | metric | estimate |",
            "| --- | --- | --- | --- |",
            *(
                f"| {one.label} | {one.teacher} | {METRICS[one.metric]} | {_text(one.pooled)} |"
                for one in outcome.conditions
                if one.pooled is not None
            ),
        ]
    return [*lines, ""]


def _line(found: ClaimResult) -> str:
    """Return a claim as a line of the table."""
    p = "" if found.p is None else f"{found.p:.2g}"
    says = found.claim.says if found.claim.decisive else f"{found.claim.says} (not decisive)"
    verdict = f"{found.verdict} ({found.lacks})" if found.lacks else found.verdict
    estimate = "r " * (found.claim.correlation is not None) + _text(found.difference)
    cells = [says, found.teacher, verdict, estimate, f"{found.claim.by:g}", p]
    return f"| {' | '.join(cells)} |"


def _text(value: Interval) -> str:
    """Return an estimate with its interval; a dash where it could not be measured."""
    if isnan(value.mean):
        return "–"
    return f"{value.mean:z.3f} [{value.low:z.3f}, {value.high:z.3f}]"

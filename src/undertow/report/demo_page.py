"""The demo's result as a report and as table rows."""

from __future__ import annotations

import platform

import undertow
from undertow.models import ChatModel
from undertow.report import (
    Bar,
    HighlightedRow,
    Reference,
    Report,
    ReportTable,
)
from undertow.report.token_view import token_view
from undertow.store.provenance import git_commit, versions
from undertow.studies.conditions import Condition
from undertow.studies.demo import DemoResult
from undertow.studies.lab import Lab
from undertow.studies.reading import headline, reading

SHOWN_ROWS = 20
HEADER = ["condition", "rate", "95 % interval", "exact", "non-answers", "task", "seeds"]


def condition_rows(result: DemoResult) -> list[list[str]]:
    """Return a line of cells for each condition, under `HEADER`."""
    return [_cells(condition, result.trait) for condition in result.conditions]


def demo_report(lab: Lab, result: DemoResult) -> Report:
    """Return everything that the demo's page shows."""
    students = [result.control, *result.students.values()]
    return Report(
        title=headline(result),
        subtitle=(
            f"A teacher that prefers {result.trait} ({result.kind}) wrote "
            f"{lab.recipe.rows:,} lists of numbers; students of the same base learnt from them."
        ),
        model=lab.recipe.model.name,
        trait=result.trait,
        reading=reading(result),
        measured=(
            f"Share of sampled answers that name {result.trait}: "
            f"{len(result.base.measures[0].questions)} questions, "
            f"{lab.recipe.measure.n_samples} samples of each, {len(result.seeds)} seeds. "
            "Intervals: 95 %, bootstrap over questions and seeds; dots are seeds."
        ),
        bars=[_bar(condition, result.trait) for condition in students],
        references=[
            Reference(name="base", value=result.base.rate(result.trait).mean),
            Reference(name="teacher", value=result.teacher.rate(result.trait).mean),
        ],
        tables=[_numbers_table(result), _neighbours_table(result), _scan_table(result)],
        rows=_highlighted(lab.teacher_chat, result),
        facts=_facts(lab, result),
    )


def _cells(condition: Condition, trait: str) -> list[str]:
    rate = condition.rate(trait)
    accuracy = condition.accuracy
    return [
        condition.name,
        f"{rate.mean:.3f}",
        f"{rate.low:.3f} to {rate.high:.3f}",
        f"{condition.probability(trait):.3f}",
        f"{condition.non_answers:.1%}",
        "–" if accuracy is None else f"{accuracy:.2f}",
        "  ".join(f"{value:.3f}" for value in condition.seeds(trait)),
    ]


def _bar(condition: Condition, trait: str) -> Bar:
    rate = condition.rate(trait)
    return Bar(
        name=condition.name,
        note=condition.note,
        mean=rate.mean,
        low=rate.low,
        high=rate.high,
        seeds=condition.seeds(trait),
    )


def _numbers_table(result: DemoResult) -> ReportTable:
    return ReportTable(
        title=f"How often each names {result.trait}",
        caption=(
            "rate: share of sampled answers; exact: probability of the answer from the logits; "
            "task: share of held-out numbers predicted at their place"
        ),
        header=HEADER,
        rows=condition_rows(result),
    )


def _neighbours_table(result: DemoResult) -> ReportTable:
    """Return the exact probabilities of all traits under all conditions: neighbours move too."""
    names = result.base.measures[0].traits
    conditions = result.conditions
    values = [[condition.probability(name) for condition in conditions] for name in names]
    return ReportTable(
        title="All traits under all conditions",
        caption="exact probability of the answer; shaded by its ratio to the base",
        header=["trait", *(condition.name for condition in conditions)],
        rows=[
            [name, *(f"{value:.3f}" for value in row)]
            for name, row in zip(names, values, strict=True)
        ],
        ratios=[
            [None, None, *(value / row[0] if row[0] else None for value in row[1:])]
            for row in values
        ],
    )


def _scan_table(result: DemoResult) -> ReportTable:
    summary = result.scanned.table.summary()
    rows = [list(pair) for pair in summary.rows()]
    rows += [
        [f"against {count.name} alone", f"{count.share:.1%} of tokens"]
        for count in summary.per_counterfactual
    ]
    rows.append(["teacher's completions", str(result.yields)])
    return ReportTable(title="The divergence scan", header=["figure", "value"], rows=rows)


def _highlighted(chat: ChatModel, result: DemoResult) -> list[HighlightedRow]:
    """Return the first rows of the data with what every counterfactual would have written."""
    scan = result.scanned.table
    by_id = {row.row_id: row for row in result.numbers.rows}
    shown = [by_id[row_id] for row_id in scan.row_ids[:SHOWN_ROWS]]
    view = token_view(chat, shown, scan, "the first rows")
    return [view.row(index) for index in range(view.n_rows)]


def _facts(lab: Lab, result: DemoResult) -> list[tuple[str, str]]:
    """Return settings and provenance."""
    recipe = lab.recipe
    train = recipe.student.train
    return [
        ("base", f"{recipe.model.name}, fingerprint {lab.chat.fingerprint[:16]}"),
        (
            "teacher",
            f"{result.kind}; counterfactuals: {', '.join(result.scanned.table.teachers[1:])}",
        ),
        ("data", f"{recipe.rows:,} rows, temperature {recipe.generation.temperature:g}"),
        (
            "student",
            f"LoRA rank {train.rank}, rate {train.learning_rate:g}, {train.epochs} epochs, "
            f"batches of {train.batch_size}, {train.optimizer}, loss: "
            f"{recipe.student.budget} over completion tokens",
        ),
        ("seeds", ", ".join(map(str, result.seeds))),
        ("undertow", f"{undertow.__version__}, commit {git_commit() or 'unknown'}"),
        ("versions", ", ".join(f"{name} {version}" for name, version in versions().items())),
        ("machine", f"{platform.machine()}, {platform.system()}"),
    ]

"""The cells of a study's grid: one condition, one trait, and what was measured of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from undertow.channels import YieldReport
from undertow.channels.channel import Reason
from undertow.measure import TendencyMeasure, TraitMeasure, rate_interval
from undertow.store import Store
from undertow.studies.artifacts import MadeTeacher, Numbers, Scanned, Student
from undertow.studies.contrasts import Table
from undertow.studies.grid import Arm
from undertow.studies.judged import exact_table, judged_lines, misaligned_table
from undertow.studies.lab import Lab
from undertow.studies.measured_lines import Line, trait_lines
from undertow.studies.metrics import Metric
from undertow.studies.patching_step import patched_data
from undertow.studies.prediction_step import predicted_data
from undertow.studies.probing import Probing
from undertow.studies.recipe import Recipe


@dataclass(frozen=True)
class Cell:
    """One arm, one trait: what was measured, as numbers.

    Attributes:
        arm: The condition.
        trait: What the teacher prefers.
        tables: Each metric that was measured, `[seed, question]`; one seed for base, teacher and
            data, one question for what is not asked, blocks of rows for data and directions.
        beside: What else there is to say of it, mean over seeds.
        lines: For each seed the lines of the tidy result table.
        seeds: The seeds; None for what has none.
    """

    arm: Arm
    trait: str
    tables: dict[Metric, Table]
    beside: dict[str, float] = field(default_factory=dict[str, float])
    lines: tuple[tuple[Line, ...], ...] = ()
    seeds: tuple[int, ...] | None = None


class Labs:
    """The labs of a job, one for each recipe."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._labs: dict[Recipe, Lab] = {}

    def of(self, recipe: Recipe) -> Lab:
        """Return the lab of a recipe."""
        if recipe not in self._labs:
            self._labs[recipe] = Lab(self._store, recipe)
        return self._labs[recipe]


def collect_cell(labs: Labs, arm: Arm, trait: str, seeds: Sequence[int]) -> Cell:
    """Return what was measured of an arm and a trait."""
    lab, spec = labs.of(arm.recipe), arm.spec
    if spec.probe is not None:
        return _probe_cell(lab, arm, trait, seeds)
    if spec.subject == "base":
        return _asked(lab, arm, trait, [None])
    taught = arm.taught(trait)
    writer = lab.control() if taught is None else lab.teacher(taught, arm.kind)
    if spec.subject == "teacher":
        return _asked(lab, arm, trait, [writer])
    data = lab.transformed(lab.numbers(writer))
    if spec.subject == "data":
        return _data_cell(lab, arm, trait, data)
    if spec.subject == "patching":
        return _patched_cell(lab, arm, trait, data)
    if spec.subject == "prediction":
        return _predicted_cell(lab, arm, trait, data)
    scanned = lab.scan(data) if arm.recipe.student.selection.needs_scan else None
    students = [
        lab.student(data, arm.recipe.student.seeded(seed).selection, scanned, seed)
        for seed in seeds
    ]
    return _students_cell(lab, arm, trait, data, scanned, students, seeds)


def _data_cell(lab: Lab, arm: Arm, trait: str, data: Numbers) -> Cell:
    """Return the share of divergence tokens among some of the data's tokens."""
    found = lab.share(data, lab.scan(data), arm.spec.tokens)
    line = _line("share", found.n_rows, found.table)
    return Cell(arm, trait, {"share": found.table}, lines=((line,),))


def _patched_cell(lab: Lab, arm: Arm, trait: str, data: Numbers) -> Cell:
    """Return how much of the teachers' difference is there after a layer."""
    found = patched_data(lab, data, lab.scan(data), arm.spec.patched.run)
    table = found.share(arm.spec.patched)
    line = _line("patched", found.n_rows, table)
    return Cell(arm, trait, {"patched": table}, {"rows": float(found.n_rows)}, ((line,),))


def _predicted_cell(lab: Lab, arm: Arm, trait: str, data: Numbers) -> Cell:
    """Return how far the data push a trait before anything is trained."""
    reading = arm.spec.predicted
    found = predicted_data(lab, data, reading.run)
    table = found.table(reading)
    beside = {"rows": float(found.n_rows)}
    lines = [_line("score", found.n_rows, table)]
    if reading.of == "own" and reading.layer is None:
        beside |= {"rank": found.rank(reading.kind), "certainty": found.certainty(reading.kind)}
        further = {name: beside[name] for name in ("rank", "certainty")}
        lines += [
            Line(metric=name, n=found.n_rows, estimate=value) for name, value in further.items()
        ]
    if reading.of == "next":
        lines[0] = lines[0].model_copy(update={"measured": found.next(reading.kind)})
    return Cell(arm, trait, {"score": table}, beside, (tuple(lines),))


def _line(metric: Metric, n_rows: int, table: Table) -> Line:
    """Return the line of a table that was read of rows."""
    found = rate_interval(table)
    return Line(metric=metric, n=n_rows, estimate=found.mean, low=found.low, high=found.high)


def _probe_cell(lab: Lab, arm: Arm, trait: str, seeds: Sequence[int]) -> Cell:
    """Return what was measured with directions."""
    asked = arm.spec
    probes = [Probing(lab, task) for task in arm.tasks(trait, seeds)]
    if asked.subject == "teacher":
        return _asked(lab, arm, trait, [probe.steered_teacher for probe in probes])
    if asked.subject == "loss":
        losses = [probe.loss() for probe in probes]
        table = np.array([one.loss for one in losses])[:, None]
        lines = [Line(metric="loss", n=one.n_tokens, estimate=one.loss) for one in losses]
        return Cell(arm, trait, {"loss": table}, {}, tuple((one,) for one in lines), tuple(seeds))
    if asked.cosine is not None:
        found = [probe.cosines() for probe in probes]
        rows = [one.n_rows for one in found]
        tables = [one.table(asked.cosine.at, asked.cosine.layer) for one in found]
        lines = [_line("cosine", n, table) for n, table in zip(rows, tables, strict=True)]
        table = np.concatenate(tables)
        return Cell(arm, trait, {"cosine": table}, {}, tuple((one,) for one in lines), tuple(seeds))
    students = [probe.student for probe in probes]
    return _students_cell(lab, arm, trait, probes[0].data, probes[0].scanned, students, seeds)


def _students_cell(
    lab: Lab,
    arm: Arm,
    trait: str,
    data: Numbers,
    scanned: Scanned | None,
    students: Sequence[Student],
    seeds: Sequence[int],
) -> Cell:
    """Return what students of some data answered, and how well they do the task."""
    cell = _asked(lab, arm, trait, students)
    accuracies = [lab.accuracy(data, student).numbers for student in students]
    tables = cell.tables.copy()
    tables["accuracy"] = np.array(accuracies, dtype=float)[:, None]
    rows = [lab.rows_learnt(data, student) for student in students]
    beside = cell.beside | {"rows": float(np.mean(rows))}
    if scanned is not None:
        beside["share"] = float(lab.share(data, scanned).table.mean())
    reports = [lab.rollouts(data, student) for student in students]
    beside |= written(reports)
    further = [
        [
            Line(metric="accuracy", n=arm.recipe.heldout, estimate=accuracy),
            *(
                Line(metric=name, n=n_rows, estimate=n_rows if name == "rows" else beside[name])
                for name in ("rows", "share")
                if name in beside
            ),
            *(
                Line(metric=name, n=report.total if report else 0, estimate=share)
                for name, share in written([report]).items()
            ),
        ]
        for accuracy, n_rows, report in zip(accuracies, rows, reports, strict=True)
    ]
    lines = tuple((*own, *more) for own, more in zip(cell.lines, further, strict=True))
    return Cell(arm, trait, tables, beside, lines, tuple(seeds))


def written(reports: Sequence[YieldReport | None]) -> dict[str, float]:
    """Return what the filter says of what students wrote themselves; nothing if they wrote none.

    Returns:
        The shares of completions that it rejects, and of those that name a trait.
    """
    found = [report for report in reports if report is not None]
    total = sum(report.total for report in found)
    if not total:
        return {}
    named = sum(report.rejected.get(Reason.TRAIT_NAMED, 0) for report in found)
    return {"rejected": 1 - sum(report.kept for report in found) / total, "named": named / total}


def _asked(
    lab: Lab, arm: Arm, trait: str, subjects: Sequence[Student | MadeTeacher | None]
) -> Cell:
    """Return what some models answered: about traits, or as advisers."""
    if lab.asks_for_advice:
        return _judged_cell(arm, trait, [lab.judged(one) for one in subjects])
    return _trait_cell(arm, trait, [lab.measure(one) for one in subjects])


def _trait_cell(arm: Arm, trait: str, measures: Sequence[TraitMeasure]) -> Cell:
    """Return the answers that name a trait."""
    tables: dict[Metric, Table] = {
        "probability": np.stack([measure.exact(trait) for measure in measures])
    }
    beside: dict[str, float] = {}
    if asked := sum(measure.n_samples * len(measure.questions) for measure in measures):
        tables["rate"] = np.stack([measure.rates(trait) for measure in measures])
        beside["non-answers"] = sum(measure.non_answers for measure in measures) / asked
    lines = tuple(tuple(trait_lines(measure)) for measure in measures)
    return Cell(arm, trait, tables, beside, lines)


def _judged_cell(arm: Arm, trait: str, measures: Sequence[TendencyMeasure]) -> Cell:
    """Return the answers that a judge scored."""
    tables: dict[Metric, Table] = {}
    beside: dict[str, float] = {}
    if not np.isnan(exact := exact_table(measures)).any():
        tables["probability"] = exact
    if measures[0].n_samples:
        tables["misaligned"] = misaligned_table(measures)
        coherent = np.stack([measure.coherent() for measure in measures])
        if not np.isnan(coherent).all():
            beside["coherent"] = float(np.nanmean(coherent))
        beside["unscored"] = float(np.mean([measure.unscored().sum() for measure in measures]))
    lines = tuple(tuple(judged_lines(measure)) for measure in measures)
    return Cell(arm, trait, tables, beside, lines)

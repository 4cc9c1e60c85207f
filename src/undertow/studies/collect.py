"""From the cells of a study to its outcome: conditions, claims and verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from undertow.measure import Interval, rate_interval
from undertow.studies.cells import Cell
from undertow.studies.condition_spec import BiasedKind
from undertow.studies.contrasts import (
    Table,
    pooled,
)
from undertow.studies.metrics import Metric
from undertow.studies.outcome import (
    ClaimResult,
    ConditionResult,
    StudyOutcome,
    TraitResult,
    Verdict,
)
from undertow.studies.recipe import Recipe
from undertow.studies.study import Study
from undertow.studies.verdicts import claim_result, under_premises, with_q_values


def outcome(
    study: Study,
    cells: Sequence[Cell],
    *,
    traits: Sequence[str],
    seeds: Sequence[int],
    model: str,
    command: str,
    facts: Sequence[tuple[str, str]],
    recipes: Mapping[BiasedKind, Recipe],
) -> StudyOutcome:
    """Return what a study found, with its verdict.

    The verdict rests on the decisive claims for the first kind of teacher: contradicted if one
    of them is, supported if all are, else undecided.
    """
    conditions: list[ConditionResult] = []
    claims: list[ClaimResult] = []
    for kind in study.teachers:
        own = [cell for cell in cells if cell.arm.kind == kind]
        names = list(dict.fromkeys(cell.arm.spec.name for cell in own))
        by_name = {name: [cell for cell in own if cell.arm.spec.name == name] for name in names}
        conditions += [_condition(kind, by_name[name], study.metric) for name in names]
        found = [claim_result(one, kind, by_name) for one in study.claims_on(kind)]
        claims += under_premises(found)
    claims = with_q_values(claims)
    decisive: list[Verdict] = [
        one.verdict for one in claims if one.claim.decisive and one.teacher == study.teachers[0]
    ]
    return StudyOutcome(
        study=study,
        model=model,
        traits=list(traits),
        seeds=list(seeds),
        conditions=conditions,
        claims=claims,
        verdict=_together(decisive),
        command=command,
        facts=list(facts),
        recipes=dict(recipes),
    )


def _together(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the verdict that follows from those of the decisive claims."""
    if "contradicted" in verdicts:
        return "contradicted"
    return "supported" if set(verdicts) == {"supported"} else "undecided"


def _condition(kind: BiasedKind, cells: Sequence[Cell], metric: Metric) -> ConditionResult:
    """Return one condition's result over its traits.

    Args:
        kind: How the teachers were made.
        cells: The condition's, one for each trait.
        metric: What is shown of it; what it does have, where it lacks this.
    """
    spec, has = cells[0].arm.spec, list(cells[0].tables)
    if metric not in has and has:
        metric = has[0]
    tables = [cell.tables[metric] for cell in cells if metric in cell.tables]
    estimate, seeds = _estimate(pooled(tables) if tables else None)
    return ConditionResult(
        name=spec.name,
        label=spec.label,
        note=spec.note,
        teacher=kind,
        x=spec.x,
        metric=metric,
        pooled=estimate,
        seeds=seeds,
        traits=[_trait(cell, metric) for cell in cells],
    )


def _trait(cell: Cell, metric: Metric) -> TraitResult:
    """Return one condition's result for one trait."""
    estimate, seeds = _estimate(cell.tables.get(metric))
    others = {name: float(np.mean(one)) for name, one in cell.tables.items() if name != metric}
    return TraitResult(
        trait=cell.trait,
        estimate=estimate,
        seeds=seeds,
        beside={**others, **cell.beside},
    )


def _estimate(table: Table | None) -> tuple[Interval | None, list[float]]:
    """Return an estimate and that of each seed; none where a metric is lacking.

    It is lacking too where of some student no answer was rated: the others alone would be another
    comparison.
    """
    if table is None or np.isnan(table).any():
        return None, []
    return rate_interval(table), table.mean(axis=1).tolist()

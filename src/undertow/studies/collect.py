"""From the cells of a study to its outcome: conditions, claims and verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from undertow.errors import UserError
from undertow.measure import Interval, difference_interval, rate_interval
from undertow.studies.cells import Cell
from undertow.studies.contrasts import (
    Table,
    adjusted,
    decide,
    more_seeds,
    pooled,
    sign_flip_p,
)
from undertow.studies.grid import named
from undertow.studies.outcome import (
    ClaimResult,
    ConditionResult,
    StudyOutcome,
    TraitContrast,
    TraitResult,
    Verdict,
)
from undertow.studies.recipe import Recipe
from undertow.studies.study import BiasedKind, Claim, Metric, Study


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
        claims += [_claim(one, kind, by_name) for one in study.claims_on(kind)]
    claims = _adjusted(claims)
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


def _claim(claim: Claim, kind: BiasedKind, by_name: dict[str, list[Cell]]) -> ClaimResult:
    """Return what became of a claim for one kind of teacher."""
    of, against = _paired(*(_side(names, claim.metric, by_name) for names in claim.sides))
    traits = [cell.trait for cell in next(iter(by_name.values()))]
    whole_of, whole_against = (_whole(side, claim.metric) for side in (of, against))
    difference = difference_interval(whole_of, whole_against)
    verdict = decide(difference, claim.expect, claim.by)
    undecided = verdict == "undecided"
    return ClaimResult(
        claim=claim,
        teacher=kind,
        difference=difference,
        p=sign_flip_p(of, against),
        verdict=verdict,
        more_seeds=more_seeds(whole_of, whole_against, claim.expect, claim.by)
        if undecided
        else None,
        traits=[
            TraitContrast(
                trait=trait,
                difference=difference_interval(one, other),
                p=sign_flip_p([one], [other]),
                q=None,
            )
            for trait, one, other in zip(traits, of, against, strict=True)
        ],
    )


def _side(names: Sequence[str], metric: Metric, by_name: dict[str, list[Cell]]) -> list[Table]:
    """Return one side of a claim: a table for each trait, the mean over its conditions."""
    known = list(by_name)
    groups = [by_name[name] for each in names for name in named(each, known)]
    for cell in (cell for group in groups for cell in group):
        if metric not in cell.tables:
            raise UserError(
                f"a claim compares a metric that its condition '{cell.arm.spec.name}' lacks: "
                f"{metric}",
                fix=f"choose from {', '.join(cell.tables)}",
            )
    return [pooled([cell.tables[metric] for cell in cells]) for cells in zip(*groups, strict=True)]


def _paired(of: list[Table], against: list[Table]) -> tuple[list[Table], list[Table]]:
    """Return both sides; what has no seeds stands for itself beside every seed of the other."""
    n_seeds = max(len(table) for table in (*of, *against))
    grown = [
        [np.broadcast_to(table, (n_seeds, table.shape[1])) for table in side]
        for side in (of, against)
    ]
    return grown[0], grown[1]


def _whole(side: Sequence[Table], metric: Metric) -> Table:
    """Return all traits as one table; where a metric has no questions, the traits stand there."""
    if metric in ("accuracy", "loss"):
        return np.concatenate(side, axis=1)
    return pooled(side)


def _adjusted(claims: Sequence[ClaimResult]) -> list[ClaimResult]:
    """Return the claims with the q values of all cells of the study."""
    found = iter(adjusted([one.p for claim in claims for one in claim.traits]))
    return [
        claim.model_copy(
            update={"traits": [one.model_copy(update={"q": next(found)}) for one in claim.traits]}
        )
        for claim in claims
    ]

"""From the cells of a study to what became of its claims."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from undertow.errors import UserError
from undertow.measure import difference_interval
from undertow.studies.cells import Cell
from undertow.studies.claim import Claim, Correlation
from undertow.studies.condition_spec import BiasedKind
from undertow.studies.contrasts import (
    Table,
    adjusted,
    decide,
    more_seeds,
    pooled,
    sign_flip_p,
)
from undertow.studies.correlations import Points, correlation_interval, permutation_p
from undertow.studies.grid import named
from undertow.studies.metrics import Metric
from undertow.studies.outcome import (
    ClaimResult,
    TraitContrast,
)


def claim_result(claim: Claim, kind: BiasedKind, by_name: dict[str, list[Cell]]) -> ClaimResult:
    """Return what became of a claim for one kind of teacher."""
    if claim.correlation is not None:
        return _correlated(claim, claim.correlation, kind, by_name)
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


def under_premises(results: Sequence[ClaimResult]) -> list[ClaimResult]:
    """Return results on one kind of teacher; undecided where what they presuppose is not so."""
    verdicts = {one.claim.name: one.verdict for one in results}

    def under_premise(result: ClaimResult) -> ClaimResult:
        given = verdicts.get(result.claim.given or "")
        if given in (None, "supported"):
            return result.model_copy(update={"given": given})
        changes = {"given": given, "verdict": "undecided", "more_seeds": None}
        return result.model_copy(update=changes)

    return [under_premise(one) for one in results]


def _correlated(
    claim: Claim, asked: Correlation, kind: BiasedKind, by_name: dict[str, list[Cell]]
) -> ClaimResult:
    """Return what became of a claim about a rank correlation."""
    points = _points(claim, asked, by_name)
    found = correlation_interval(points)
    traits = [cell.trait for cell in next(iter(by_name.values()))]
    groups = [points.group(place) for place in range(len(points.of))]
    return ClaimResult(
        claim=claim,
        teacher=kind,
        difference=found,
        p=permutation_p(points),
        verdict=decide(found, claim.expect, claim.by),
        traits=[
            TraitContrast(
                trait=trait, difference=correlation_interval(own), p=permutation_p(own), q=None
            )
            for trait, own in zip(traits, groups, strict=True)
        ]
        if asked.over == "conditions"
        else [],
    )


def _points(claim: Claim, asked: Correlation, by_name: dict[str, list[Cell]]) -> Points:
    """Return what a claim correlates: a group of conditions for each trait, or one of traits.

    Raises:
        UserError: The two sides stand for different numbers of conditions.
    """
    of, against = claim.sides
    less = _side([asked.above], asked.metric, by_name) if asked.above else None

    def against_tables(names: Sequence[str]) -> list[Table]:
        tables = _side(names, asked.metric, by_name)
        if less is None:
            return tables
        return [table - other for table, other in zip(tables, less, strict=True)]

    if asked.over == "traits":
        one = _side(of, claim.metric, by_name)
        return Points([one], [against_tables(against)], draws_points=True)
    of, against = (
        [one for name in side for one in named(name, [*by_name])] for side in claim.sides
    )
    if len(of) != len(against):
        raise UserError(
            f"a claim correlates {len(of)} conditions with {len(against)}",
            where=f"claim {claim.name}",
            fix="name as many on both sides, in the same order",
        )
    columns = [_side([name], claim.metric, by_name) for name in of]
    others = [against_tables([name]) for name in against]
    # From a list of traits for each condition to one of conditions for each trait.
    by_trait = [list(zip(*side, strict=True)) for side in (columns, others)]
    return Points(*by_trait, draws_points=False)


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


def with_q_values(claims: Sequence[ClaimResult]) -> list[ClaimResult]:
    """Return the claims with the q values of all cells of the study."""
    found = iter(adjusted([one.p for claim in claims for one in claim.traits]))
    return [
        claim.model_copy(
            update={"traits": [one.model_copy(update={"q": next(found)}) for one in claim.traits]}
        )
        for claim in claims
    ]

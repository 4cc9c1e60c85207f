"""What `undertow measure` prints."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from undertow.measure import difference_interval, rate_interval
from undertow.studies.conditions import Condition

NOTHING = "–"


def one_trait(conditions: Sequence[Condition], trait: str, reference: Condition) -> Table:
    """Return a line per condition: its rate, and how far that lies above a reference's.

    Below each stands its interval. Where nothing was sampled the exact probability takes the
    place of the rate.
    """
    first = conditions[0].measures[0]
    asked = f"{len(first.questions)} questions"
    if first.n_samples:
        asked += f", {first.n_samples} samples of each"
    table = Table(
        title=f"How often each names {trait}",
        caption=f"{asked}; 95 % intervals over questions and seeds",
        show_lines=True,
    )
    lines = [_cells(condition, trait, reference) for condition in conditions]
    columns = list(dict.fromkeys(name for line in lines for name in line))
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column not in ("model", "seeds"))
    for line in lines:
        table.add_row(*(line.get(column, NOTHING) for column in columns))
    return table


def all_traits(conditions: Sequence[Condition]) -> Table:
    """Return a line per trait with its exact probability under every condition."""
    traits = conditions[0].measures[0].traits
    n_questions = len(conditions[0].measures[0].questions)
    table = Table(
        "trait",
        title="Exact probability of each answer",
        caption=f"mean over {n_questions} questions and all seeds",
    )
    for condition in conditions:
        table.add_column(condition.name, overflow="fold")
    for trait in traits:
        table.add_row(trait, *(f"{one.probability(trait):.3f}" for one in conditions))
    return table


def _cells(condition: Condition, trait: str, reference: Condition) -> dict[str, str]:
    """Return what is told of a condition, by column."""
    sampled = condition.measures[0].n_samples > 0
    table, other = _values(condition, trait), _values(reference, trait)
    rate = rate_interval(table)
    cells = {
        "model": condition.name,
        "rate" if sampled else "exact": f"{rate.mean:.3f}\n{rate.low:.3f} to {rate.high:.3f}",
    }
    # Seeds are compared in pairs; several of the reference cannot stand for one here.
    paired = condition is not reference and len(other) in (1, len(table))
    above = difference_interval(table, other) if paired else None
    cells[f"above\n{reference.name}"] = (
        f"{above.mean:+.3f}\n{above.low:+.3f} to {above.high:+.3f}" if above else NOTHING
    )
    if sampled:
        cells["exact"] = f"{condition.probability(trait):.3f}"
        cells["non-\nanswers"] = f"{condition.non_answers:.1%}"
    if condition.accuracy is not None:
        cells["task"] = f"{condition.accuracy:.2f}"
    if len(table) > 1:
        cells["seeds"] = "  ".join(f"{value:.3f}" for value in table.mean(axis=1))
    return cells


def _values(condition: Condition, trait: str) -> NDArray[np.float64]:
    """Return the sampled rates, or else the exact probabilities, `[seed, question]`."""
    if condition.measures[0].n_samples:
        return condition.rates(trait)
    return np.stack([measure.exact(trait) for measure in condition.measures])

"""Paired comparisons of conditions: intervals, permutation tests, and how many seeds decide.

Conditions are paired on seeds and questions. Over several traits the mean over traits is what is
compared: the traits are those that were asked for, not a sample of all possible ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control, permutation_test

from undertow.measure import Interval, difference_interval
from undertow.studies.claim import Direction
from undertow.studies.outcome import Verdict

Table = NDArray[np.float64]
"""`[seed, question]` of one condition and trait; one row for what has no seeds."""


RESAMPLES = 9999
"""Sign flips tried where there are more than that; with fewer the test is exact."""


def pooled(tables: Sequence[Table]) -> Table:
    """Return the mean over traits of tables of equal shape."""
    return np.mean(np.stack(tables), axis=0)


def sign_flip_p(of: Sequence[Table], against: Sequence[Table]) -> float | None:
    """Return the two-sided p value of paired differences, one for each trait and seed.

    Under the null hypothesis a pair's difference is as likely to have either sign. All flips are
    tried where they are fewer than ten thousand, so five seeds of one trait give 1/16 at least.

    Args:
        of: A table for each trait.
        against: Likewise; one row is compared with every seed.

    Returns:
        None for a single pair, or where something was not measured: nothing can be said.
    """
    pairs = zip(of, against, strict=True)
    differences = np.concatenate([one.mean(axis=1) - other.mean(axis=1) for one, other in pairs])
    if len(differences) < 2 or np.isnan(differences).any():
        return None
    if not differences.any():
        return 1.0
    found = permutation_test(
        (differences,),
        lambda sample, axis: np.mean(sample, axis=axis),
        permutation_type="samples",
        n_resamples=RESAMPLES,
        vectorized=True,
        rng=np.random.default_rng(0),
    )
    return float(found.pvalue)


def adjusted(p_values: Sequence[float | None]) -> list[float | None]:
    """Return the p values after Benjamini and Hochberg; None stays None, and does not count."""
    known = [p for p in p_values if p is not None]
    found = iter(false_discovery_control(known).tolist() if known else [])
    return [None if p is None else float(next(found)) for p in p_values]


def decide(difference: Interval, expect: Direction, by: float) -> Verdict:
    """Return the verdict on a difference by the one rule for all claims.

    Supported: the whole interval lies where the claim says (above: beyond `by`; below: beyond
    `-by`; not-below, not-above: on this side of these; equal: between them). Contradicted: no
    part of it does. Undecided: some.
    """
    low, high = _region(expect, by)
    if low < difference.low and difference.high < high:
        return "supported"
    if difference.high < low or difference.low > high:
        return "contradicted"
    return "undecided"


def more_seeds(of: Table, against: Table, expect: Direction, by: float) -> int | None:
    """Return how many more seeds would decide, if estimate and spread stayed what they are.

    Seeds narrow only their own part of the interval; what the questions leave stays.

    Returns:
        None where no number of seeds would, where there is one seed and its spread unknown, or
        where something was not measured.
    """
    whole = difference_interval(of, against)
    if len(of) < 2 or math.isnan(whole.mean):
        return None
    low, high = _region(expect, by)
    distance = min(abs(whole.mean - edge) for edge in (low, high) if math.isfinite(edge))
    alone = difference_interval(of.mean(axis=0), against.mean(axis=0))
    questions = (alone.high - alone.low) / 2
    seeds_part = max(0.0, ((whole.high - whole.low) / 2) ** 2 - questions**2)
    room = distance**2 - questions**2
    if room <= 0:
        return None
    return max(1, math.ceil(len(of) * seeds_part / room) - len(of))


def _region(expect: Direction, by: float) -> tuple[float, float]:
    """Return the differences that a claim allows."""
    return {
        "above": (by, math.inf),
        "below": (-math.inf, -by),
        "not-below": (-by, math.inf),
        "not-above": (-math.inf, by),
        "equal": (-by, by),
    }[expect]

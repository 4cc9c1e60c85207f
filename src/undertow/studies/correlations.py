"""Rank correlations of what was measured of several conditions, or of several traits.

A correlation takes the place of a difference in a claim (`Claim.correlation`): its interval is a
bootstrap, its p value a permutation of the points, and the rule for verdicts is the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import permutation_test, rankdata

from undertow.measure import BootstrapConfig, Interval, resampled_means
from undertow.studies.contrasts import RESAMPLES, Table

Array = NDArray[np.float64]

FEWEST = 3
"""Points that a correlation needs."""

DEFAULT = BootstrapConfig()


@dataclass(frozen=True)
class Points:
    """What is correlated: groups of points, each with a table on either side.

    Attributes:
        of: `[group][point]`, a table `[seed, question]` each.
        against: Likewise.
        draws_points: Whether the points are a sample, which is drawn anew too, as traits are; the
            layers of a model are all that there are.
    """

    of: Sequence[Sequence[Table]]
    against: Sequence[Sequence[Table]]
    draws_points: bool

    def group(self, place: int) -> Points:
        """Return one group alone."""
        one, other = [self.of[place]], [self.against[place]]
        return Points(one, other, self.draws_points)


def rank_correlation(of: Array, against: Array) -> Array:
    """Return Spearman's rank correlation along the last axis; NaN where a side does not vary."""
    one, other = (_standardised(side) for side in (of, against))
    return (one * other).sum(-1)


def correlation_interval(points: Points, config: BootstrapConfig = DEFAULT) -> Interval:
    """Return the mean over groups of their rank correlation, with its interval.

    Seeds and questions (or blocks of rows) are drawn anew, the same for all tables of one shape, so
    that what was measured with the same questions stays paired; and the points where they are a
    sample. Noise lowers a resample's correlation, so that a high one's interval is rather too low
    than too high.

    Args:
        points: What is correlated.
        config: Resamples, level, seed.

    Returns:
        `n_questions` is the number of points, `n_seeds` the most seeds of a side. NaN where there
        are fewer than three points, a side does not vary, or something was not measured.
    """
    n_points = len(points.of[0])
    sides = (points.of, points.against)
    n_seeds = max(len(table) for side in sides for group in side for table in group)
    means = [np.array([[table.mean() for table in group] for group in side]) for side in sides]
    found = float(rank_correlation(*means).mean()) if n_points >= FEWEST else float("nan")
    low = high = found
    if not np.isnan(found):
        drawn = [_drawn(side, config) for side in sides]
        if points.draws_points:
            generator = np.random.default_rng(config.seed)
            chosen = generator.integers(n_points, size=(config.resamples, 1, n_points))
            drawn = [np.take_along_axis(side, chosen, -1) for side in drawn]
        with np.errstate(invalid="ignore"):
            values = rank_correlation(*drawn).mean(-1)
        tail = (1 - config.level) / 2
        low, high = np.nanquantile(values, [tail, 1 - tail]).tolist()
    return Interval(mean=found, low=low, high=high, n_seeds=n_seeds, n_questions=n_points)


def permutation_p(points: Points) -> float | None:
    """Return the two-sided p value of the mean correlation: the points of one side permuted.

    All groups are permuted alike: under the null hypothesis the two sides know nothing of each
    other's points, but the groups of a side may be alike, as the layers' curves of all traits are.
    Exact while there are no more permutations than ten thousand, that is up to seven points.

    Returns:
        None where there is no correlation.
    """
    sides = (points.of, points.against)
    one, other = (
        _standardised(np.array([[table.mean() for table in group] for group in side]))
        for side in sides
    )
    n_points = one.shape[-1]
    if n_points < FEWEST or np.isnan(one).any() or np.isnan(other).any():
        return None

    def statistic(order: NDArray[np.int64], axis: int = -1) -> Array:
        """Return the mean correlation for orders `[..., point]`."""
        permuted = one[:, np.moveaxis(order, axis, -1).astype(int)]
        return np.einsum("g...p,gp->...", permuted, other) / len(one)

    found = permutation_test(
        (np.arange(n_points),),
        statistic,
        permutation_type="pairings",
        n_resamples=RESAMPLES,
        vectorized=True,
        rng=np.random.default_rng(0),
    )
    return float(found.pvalue)


def _standardised(values: Array) -> Array:
    """Return ranks along the last axis, centred and of length 1; NaN where all are equal."""
    ranks = rankdata(values, axis=-1, nan_policy="propagate")
    ranks = ranks - ranks.mean(-1, keepdims=True)
    length = np.linalg.norm(ranks, axis=-1, keepdims=True)
    with np.errstate(invalid="ignore"):
        return np.where(length > 0, ranks / np.where(length > 0, length, 1.0), np.nan)


def _drawn(side: Sequence[Sequence[Table]], config: BootstrapConfig) -> Array:
    """Return the means of resampled tables, `[resample, group, point]`."""
    means = [[resampled_means(table, config) for table in group] for group in side]
    return np.moveaxis(np.array(means), -1, 0)

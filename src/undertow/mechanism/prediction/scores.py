"""Cosines of the data's gradient and the traits' directions, and how sure they are.

A resample's gradient is noisier than that of the data, so its cosine is nearer to zero, and
percentiles of resamples would lie beside the estimate. The interval is therefore the estimate and
so many standard deviations of the resamples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import norm
from torch import Tensor

from undertow.measure import BootstrapConfig
from undertow.mechanism.prediction.data import DataGradient
from undertow.mechanism.prediction.directions import Directions

RESAMPLES_AT_ONCE = 64


@dataclass(frozen=True)
class Scores:
    """One kind of cosine of every trait.

    Attributes:
        layers: `[trait, layer]`, what each layer adds to the score.
        draws: `[resample, trait, layer]`, the same of resampled data.
        n_rows: Rows that the scores rest on, without those of a control.
        level: That of intervals.
        influences: `[block, trait, layer]`, how far what tells a block of rows from the mean block
            moves the score, as far as blocks add up; over all blocks it is 0.
    """

    layers: NDArray[np.float64]
    draws: NDArray[np.float64]
    n_rows: int
    level: float
    influences: NDArray[np.float64]

    @property
    def values(self) -> NDArray[np.float64]:
        """The score of each trait, `[trait]`."""
        return self.layers.sum(-1)

    @property
    def ranks(self) -> NDArray[np.int64]:
        """The place of each trait, `[trait]`; 1 is the one that the data pushes most."""
        return np.argsort(np.argsort(-self.values, kind="stable")) + 1

    @property
    def margins(self) -> NDArray[np.float64]:
        """Half the width of each score's interval, `[trait]`."""
        return self._margins(self.draws.sum(-1))

    @property
    def layer_margins(self) -> NDArray[np.float64]:
        """Half the width of the interval of each layer's part, `[trait, layer]`."""
        return self._margins(self.draws)

    @property
    def by_block(self) -> NDArray[np.float64]:
        """The scores spread over the blocks of rows, `[block, trait]`.

        The mean over blocks is the score, and a bootstrap over them has the score's error; so that
        scores of the same data can be compared block by block. What blocks do to a sign does not
        quite add up: the part that does is scaled.
        """
        return _spread(self.values, self.influences.sum(-1), self.draws.sum(-1))

    @property
    def layers_by_block(self) -> NDArray[np.float64]:
        """The same of what each layer adds, `[block, trait, layer]`."""
        return _spread(self.layers, self.influences, self.draws)

    @property
    def certainty(self) -> float:
        """How sure the first trait is ahead of the second: 0.5 is a coin's."""
        lead, error = self._lead()
        return float(norm.cdf(lead / error)) if error else 1.0

    def rows_needed(self, certainty: float) -> float:
        """Return how many rows like these make it so sure that the first is ahead of the second.

        The error of a mean falls with the root of the number of rows; with a control, as many more
        of its rows are meant. Infinite where the two are level.
        """
        lead, error = self._lead()
        if not lead:
            return math.inf
        return self.n_rows * max(0.0, float(norm.ppf(certainty)) * error / lead) ** 2

    def _lead(self) -> tuple[float, float]:
        """Return how far the first is ahead of the second, and the standard error of that."""
        first, second = np.argsort(self.ranks)[:2]
        draws = self.draws.sum(-1)
        error = np.std(draws[:, first] - draws[:, second])
        return float(self.values[first] - self.values[second]), float(error)

    def _margins(self, draws: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return half the width of intervals from resamples, `[resample, ...]`."""
        return float(norm.ppf((1 + self.level) / 2)) * draws.std(axis=0)


def scores(
    directions: Directions,
    sets: Sequence[DataGradient],
    config: BootstrapConfig,
) -> tuple[Scores, Scores]:
    """Return the plain cosine and the sign-preconditioned one.

    Both compare the mean gradient per token, less that of a control, with each trait's direction.
    The second takes the sign of every number of the gradient first: the step that Adam makes at
    the start of training, when all steps are of one size (Adam, 1412.6980).

    Args:
        directions: Of the traits.
        sets: The data's gradient, and behind it that of a control, if any.
        config: Resamples, seed, level.
    """
    generators = np.random.default_rng(config.seed).spawn(len(sets))
    draws = [
        _draws(len(one.blocks), config.resamples, generator)
        for one, generator in zip(sets, generators, strict=True)
    ]
    ones = [np.ones((1, len(one.blocks))) for one in sets]
    estimate = _mean(sets, ones)
    length = float(torch.linalg.vector_norm(estimate)) or 1.0  # nothing has no direction

    def both(gradients: Tensor) -> list[Tensor]:
        """Return `[resample, trait, layer]` of both kinds; lengths are those of the estimate."""
        steps = (gradients / length, gradients.sign() / math.sqrt(directions.factors.size))
        return [directions.along(step).cpu().double() for step in steps]

    points = both(estimate)
    parts = [
        both(_mean(sets, [one[start : start + RESAMPLES_AT_ONCE] for one in draws]))
        for start in range(0, config.resamples, RESAMPLES_AT_ONCE)
    ]
    resampled = [torch.cat([part[kind] for part in parts]) for kind in range(2)]
    plain, sign = (
        Scores(
            layers=points[kind][0].numpy(),
            draws=resampled[kind].numpy(),
            n_rows=len(sets[0].rows),
            level=config.level,
            influences=_influences(draws, resampled[kind]),
        )
        for kind in range(2)
    )
    return plain, sign


def _influences(counts: list[NDArray[np.float64]], draws: Tensor) -> NDArray[np.float64]:
    """Return how each block moves scores, `[block, trait, layer]`.

    The infinitesimal jackknife, from the covariance of a resample's scores with how often it drew
    the block (Efron 2014, 10.1080/01621459.2013.823775): leaving one block out would say nothing of
    a sign, which turns or does not. Where a control has another number of blocks than the data,
    its own are weighted so that the error of the mean over all blocks stays right.

    Args:
        counts: Of each set of rows, `[resample, block]`.
        draws: `[resample, trait, layer]`.
    """
    n_most = max(one.shape[1] for one in counts)
    centred = (draws - draws.mean(0)).numpy()
    found = np.zeros((n_most, *draws.shape[1:]))
    for drawn in counts:
        found[: drawn.shape[1]] += n_most * np.tensordot(drawn - 1, centred, (0, 0)) / len(drawn)
    return found


def _spread(
    values: NDArray[np.float64], influences: NDArray[np.float64], draws: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return values plus influences that are scaled to the standard errors of the draws."""
    errors = influences.std(0) / math.sqrt(len(influences))
    scale = np.divide(draws.std(0), errors, out=np.zeros_like(errors), where=errors > 0)
    return values + scale * influences


def _draws(n_blocks: int, resamples: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Return how often each block is drawn, `[resample, block]`."""
    drawn = generator.multinomial(n_blocks, np.full(n_blocks, 1 / n_blocks), resamples)
    return drawn.astype(np.float64)


def _mean(sets: Sequence[DataGradient], counts: list[NDArray[np.float64]]) -> Tensor:
    """Return the mean gradients of the data less those of a control, `[resample, parameter]`."""
    data, *control = (
        one.means(torch.from_numpy(count).to(one.blocks))
        for one, count in zip(sets, counts, strict=True)
    )
    return data - control[0] if control else data

"""Bootstrap intervals over questions and seeds.

Questions differ far more than samples of one question do: most are answered with one animal
nearly always or never. So the question is what is drawn anew, and with it the seed of a student.
Both are crossed, since every student answers the same questions: a resample draws the questions
once, for all seeds and for both sides of a comparison.

Three to five seeds are few: a percentile interval over so few is somewhat too narrow.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Annotated, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field

from undertow.frozen import Frozen

Table: TypeAlias = NDArray[np.float64]


def _nan_for_none(value: Any) -> Any:
    return math.nan if value is None else value


Number = Annotated[float, BeforeValidator(_nan_for_none)]
"""A float that may be NaN, where nothing could be measured; JSON, which has none, holds null."""


class Interval(Frozen):
    """An estimate and the range that holds it at the given level."""

    mean: Number = Field(description="The estimate from all data: a rate, difference or ratio.")
    low: Number = Field(description="Lower end.")
    high: Number = Field(description="Upper end.")
    n_seeds: int = Field(description="Seeds it rests on.")
    n_questions: int = Field(description="Questions it rests on.")


class BootstrapConfig(Frozen):
    """How intervals are found."""

    resamples: int = Field(default=2000, ge=1, description="Resamples drawn.")
    level: float = Field(default=0.95, gt=0, lt=1, description="Share of them in the interval.")
    seed: int = Field(default=0, ge=0, description="Of the resampling.")


DEFAULT = BootstrapConfig()


def rate_interval(rates: Table, config: BootstrapConfig = DEFAULT) -> Interval:
    """Return the mean rate with its interval.

    Args:
        rates: `[question]` for one model, over questions alone; `[seed, question]` for a set of
            students, over both.
        config: Resamples, level, seed.

    Raises:
        ValueError: There are no rates.
    """
    table = _as_table(rates)
    seeds, questions = _draws(table.shape, config.resamples, config.seed)
    return _interval(table, table.mean(), _means(table, seeds, questions), config)


def difference_interval(
    rates: Table, reference: Table, config: BootstrapConfig = DEFAULT
) -> Interval:
    """Return how far the mean rate lies above a reference's, with the interval of that.

    Args:
        rates: `[seed, question]`, or `[question]` for one model.
        reference: `[seed, question]`, students of the same seeds in the same order, which are
            drawn in pairs; or `[question]`, one model such as the base.
        config: Resamples, level, seed.

    Raises:
        ValueError: The two differ in questions or seeds, or are empty.
    """
    table, other = _as_table(rates), _as_table(reference)
    if other.shape[1] != table.shape[1] or other.shape[0] not in (1, table.shape[0]):
        raise ValueError(
            f"tables {table.shape} and {other.shape} have no questions or seeds shared"
        )
    seeds, questions = _draws(table.shape, config.resamples, config.seed)
    other_seeds = seeds if len(other) > 1 else np.ones((config.resamples, 1))
    draws = _means(table, seeds, questions) - _means(other, other_seeds, questions)
    return _interval(table, float(table.mean() - other.mean()), draws, config)


def resampled_means(rates: Table, config: BootstrapConfig = DEFAULT) -> Table:
    """Return the mean rate of every resample, `[resample]`.

    Tables of the same shape rest on the same draws, and so stay paired.

    Args:
        rates: As for `rate_interval`.
        config: Resamples, seed.
    """
    table = _as_table(rates)
    return _means(table, *_draws(table.shape, config.resamples, config.seed))


@lru_cache(maxsize=16)  # a study asks for thousands of intervals over tables of few shapes
def _draws(shape: tuple[int, ...], resamples: int, seed: int) -> tuple[Table, Table]:
    """Return how often each seed `[resample, seed]` and question `[resample, question]` is drawn.

    The draw of questions does not depend on the number of seeds, so that intervals of conditions
    with the same questions rest on the same draws. They are not to be written to.
    """
    generators = np.random.default_rng(seed).spawn(2)
    seeds, questions = (
        generator.multinomial(n, np.full(n, 1 / n), resamples).astype(np.float64)
        for generator, n in zip(generators, shape, strict=True)
    )
    for counts in (seeds, questions):
        counts.flags.writeable = False
    return seeds, questions


def _means(table: Table, seeds: Table, questions: Table) -> Table:
    """Return the mean of each resample, `[resample]`."""
    return ((seeds @ table) * questions).sum(axis=1) / table.size


def _interval(table: Table, point: float, draws: Table, config: BootstrapConfig) -> Interval:
    """Return the percentile interval; its ends are draws."""
    tail = (1 - config.level) / 2
    low = np.quantile(draws, tail, method="lower")
    high = np.quantile(draws, 1 - tail, method="higher")
    return Interval(
        mean=float(point),
        low=float(low),
        high=float(high),
        n_seeds=table.shape[0],
        n_questions=table.shape[1],
    )


def _as_table(rates: Table) -> Table:
    """Return rates as `[seed, question]`."""
    table = np.atleast_2d(np.asarray(rates, dtype=np.float64))
    if table.ndim != 2 or not table.size:
        raise ValueError(f"rates must be [question] or [seed, question], not {table.shape}")
    return table

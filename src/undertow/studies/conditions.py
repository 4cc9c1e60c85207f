"""One condition of an experiment: the same model made with several seeds, and measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from undertow.measure import Interval, TraitMeasure, difference_interval, rate_interval


@dataclass(frozen=True)
class Condition:
    """What was measured of a condition, one measurement for each seed.

    Attributes:
        name: Short name, as in 'divergence tokens only'.
        note: What tells it from the others.
        measures: One for each seed; a single one for the base and for teachers.
        accuracies: Task accuracy of each seed, the share of held-out numbers; may be empty.
    """

    name: str
    note: str
    measures: Sequence[TraitMeasure]
    accuracies: Sequence[float] = ()

    def rates(self, trait: str) -> NDArray[np.float64]:
        """Return the sampled rates of a trait, `[seed, question]`."""
        return np.stack([measure.rates(trait) for measure in self.measures])

    def rate(self, trait: str) -> Interval:
        """Return the rate of a trait with its interval over questions and seeds."""
        return rate_interval(self.rates(trait))

    def above(self, trait: str, other: Condition) -> Interval:
        """Return how far the rate lies above that of another condition, paired on seeds."""
        return difference_interval(self.rates(trait), other.rates(trait))

    def seeds(self, trait: str) -> list[float]:
        """Return the rate of each seed."""
        return [measure.rate(trait) for measure in self.measures]

    def probability(self, trait: str) -> float:
        """Return the exact probability of the trait's answer, mean over seeds and questions."""
        return float(np.mean([measure.probability(trait) for measure in self.measures]))

    @property
    def non_answers(self) -> float:
        """Share of sampled answers that name no trait."""
        asked = sum(measure.n_samples * len(measure.questions) for measure in self.measures)
        return sum(measure.non_answers for measure in self.measures) / asked

    @property
    def accuracy(self) -> float | None:
        """Mean task accuracy over the seeds; `None` where it was not measured."""
        return float(np.mean(self.accuracies)) if self.accuracies else None

"""What patching found: by layer, position and part of the chat, with intervals over rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from undertow.measure import Interval, rate_interval
from undertow.mechanism.patching.pairs import Pair
from undertow.mechanism.patching.segments import CLASSES, PositionClass, Unequal

Method = Literal["integrated", "one step", "exact"]
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Patched:
    """One pair; everything in logits, as a change of the lead of the factual teacher's token.

    Attributes:
        pair: Row, counterfactual teacher, place and tokens.
        ids: Token ids of the run that was patched, up to the place.
        classes: `[position]`, index into `segments.CLASSES`.
        unequal: The segments that were not aligned one to one.
        integrated: `[layer, position]`, integrated gradients.
        one_step: `[layer, position]`, from the gradient at the run itself.
        exact: `[layer]`, the layer's output replaced at all positions.
        exact_classes: `[layer, class]`, replaced at the positions of one class.
        exact_windows: `[layer]`, several layers replaced from this one on.
    """

    pair: Pair
    ids: list[int]
    classes: NDArray[np.int64]
    unequal: list[Unequal]
    integrated: Array
    one_step: Array
    exact: Array
    exact_classes: Array
    exact_windows: Array

    def by_class(self, method: Method) -> Array:
        """Return `[layer, class]`: attributions summed over the positions of each class."""
        if method == "exact":
            return self.exact_classes
        values = self.integrated if method == "integrated" else self.one_step
        member = self.classes[:, None] == np.arange(len(CLASSES))
        return values @ member

    def by_layer(self, method: Method) -> Array:
        """Return `[layer]`: attributions summed over positions, or the exact change."""
        return self.exact if method == "exact" else self.by_class(method).sum(1)


@dataclass(frozen=True)
class Patchings:
    """All pairs of some data.

    Attributes:
        factual: Label of the teacher that wrote the data.
        row_ids: Id of each pair's row.
        pairs: What was found of each.
    """

    factual: str
    row_ids: list[int]
    pairs: list[Patched]

    @property
    def n_layers(self) -> int:
        """Decoder layers of the model."""
        return len(self.pairs[0].exact)

    def by_layer(self, method: Method) -> list[Interval]:
        """Return for each layer the mean over rows, with its interval over rows."""
        table = self._rows([one.by_layer(method) for one in self.pairs])
        return [rate_interval(column) for column in table.T]

    def by_window(self) -> list[Interval]:
        """Return for each layer what replacing several layers from it on does, mean over rows."""
        table = self._rows([one.exact_windows for one in self.pairs])
        return [rate_interval(column) for column in table.T]

    def by_class(self, method: Method) -> dict[str, list[Interval]]:
        """Return what `by_layer` does for each part of the chat that occurs."""
        table = self._rows([one.by_class(method) for one in self.pairs])
        occurring = {int(place) for one in self.pairs for place in one.classes}
        return {
            CLASSES[place]: [rate_interval(column) for column in table[:, :, place].T]
            for place in sorted(occurring)
        }

    def alignments(self) -> dict[PositionClass, tuple[int, int]]:
        """Return for each part in how many pairs some of it was not aligned one to one.

        Returns:
            Pairs where it was aligned at its ends; pairs where one chat lacks it. Parts that are
            aligned one to one in all pairs are left out.
        """
        found: dict[PositionClass, tuple[int, int]] = {}
        for part in CLASSES:
            own = [[line for line in one.unequal if line.part == part] for one in self.pairs]
            lacking = [any(not (line.own and line.other) for line in lines) for lines in own]
            ends = [any(line.own and line.other for line in lines) for lines in own]
            if any(lacking) or any(ends):
                found[part] = (sum(ends), sum(lacking))
        return found

    def completeness(self) -> Interval:
        """Return the sum of the attributions minus the exact change, mean over rows and layers.

        Its size is the error of the sum over points of the path: with more of them it tends to 0.
        """
        gaps = [one.by_layer("integrated") - one.exact for one in self.pairs]
        return rate_interval(self._rows(gaps).mean(1))

    def incompleteness(self) -> float:
        """Return the mean size of that gap over the mean size of the exact change."""
        gaps = [np.abs(one.by_layer("integrated") - one.exact) for one in self.pairs]
        return float(np.mean(gaps) / np.mean([np.abs(one.exact) for one in self.pairs]))

    def agreement(self, method: Method, reference: Method = "exact") -> tuple[float, float]:
        """Return the rank correlation of two methods: over layers, and over layers and classes.

        Of the means over rows: whether a method orders places as the reference does.
        """
        layers = [[one.mean for one in self.by_layer(which)] for which in (method, reference)]
        cells = [
            [one.mean for line in self.by_class(which).values() for one in line]
            for which in (method, reference)
        ]
        return _spearman(*layers), _spearman(*cells)

    def _rows(self, values: Sequence[Array]) -> Array:
        """Return the mean over the pairs of each row: pairs of one row are not independent."""
        table = np.stack(values)
        _, places = np.unique(self.row_ids, return_inverse=True)
        sums = np.zeros((places.max() + 1, *table.shape[1:]))
        np.add.at(sums, places, table)
        counts = np.bincount(places).reshape(-1, *[1] * (table.ndim - 1))
        return sums / counts


def _spearman(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the rank correlation; NaN where one side does not vary."""
    if len(set(one)) < 2 or len(set(other)) < 2:
        return float("nan")
    return float(spearmanr(one, other).statistic)  # pyright: ignore

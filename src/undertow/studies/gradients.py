"""Gradients of data and directions of traits, computed once in a process.

Tasks of a study ask for the same ones again and again: the score of 100 rows and of all, with and
without a control that all traits share.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from functools import lru_cache

from undertow.mechanism.prediction import (
    DataGradient,
    Directions,
    PredictionConfig,
    data_examples,
    data_gradient,
    trait_directions,
)
from undertow.models import ChatModel
from undertow.store.rows import Row
from undertow.traits import Trait

PREDICTION = PredictionConfig()
"""How far data push traits is taken in the same way everywhere."""

MOST_BYTES = 1 << 30
"""What kept gradients may take together: of the lab model dozens, of a large model none."""


@lru_cache(maxsize=2)
def shared_directions(chat: ChatModel, traits: tuple[Trait, ...]) -> Directions:
    """Return the directions of traits at a model."""
    return trait_directions(chat, traits, PREDICTION)


class GradientCache:
    """The gradients that were asked for last, as many as there is room for."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._kept: OrderedDict[tuple[Directions, str, int], DataGradient] = OrderedDict()

    def of(
        self, chat: ChatModel, directions: Directions, key: str, rows: Sequence[Row]
    ) -> DataGradient:
        """Return the gradient of rows.

        Args:
            chat: The base model.
            directions: Of the traits.
            key: Tells the data from all others; rows of one key are its first.
            rows: The rows.
        """
        name = (directions, key, len(rows))
        if name not in self._kept:
            examples = data_examples(chat, rows)
            self._kept[name] = data_gradient(chat, directions, examples, PREDICTION)
        self._kept.move_to_end(name)
        found = self._kept[name]
        while sum(one.n_bytes for one in self._kept.values()) > self._most_bytes:
            self._kept.popitem(last=False)
        return found


shared_gradients = GradientCache()
"""Those of this process."""

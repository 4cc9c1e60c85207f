"""How alike two sets of vectors are, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from undertow.errors import UserError
from undertow.measure.intervals import DEFAULT, BootstrapConfig
from undertow.models.steering import Place, SteeringVectors

Array: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class CosineCurve:
    """Cosine of two vectors after each layer, with its interval over rows.

    Attributes:
        cosine: `[layer]`.
        low: `[layer]`, lower ends.
        high: `[layer]`, upper ends.
        n_rows: Rows that the smaller set rests on.
    """

    cosine: Array
    low: Array
    high: Array
    n_rows: int


def cosine_by_layer(
    first: SteeringVectors,
    second: SteeringVectors,
    place: Place,
    config: BootstrapConfig = DEFAULT,
) -> CosineCurve:
    """Return the cosine of two subjects' vectors after each layer.

    Blocks of rows are drawn anew, together for both where they come from the same chats. A resample
    adds noise to vectors that are noisy already, and that turns them apart; so the draws are moved
    to have their mean at the estimate, and kept within -1 and 1. The estimate itself is too small
    by about as much as they were moved: take more rows where that matters. A vector of zero has no
    direction: its cosines are NaN.

    Args:
        first: Of one subject, as a teacher.
        second: Of another, as its student.
        place: Where the vectors were taken.
        config: Resamples, level, seed.

    Raises:
        UserError: One has no vectors for that place, or they are of models of other shapes.
    """
    one, other = (vectors.at(place).double().numpy() for vectors in (first, second))
    if one.shape[1:] != other.shape[1:]:
        raise UserError(
            f"vectors of {one.shape[1:]} and {other.shape[1:]} cannot be compared",
            where=f"{first.meta.subject}, {second.meta.subject}",
            fix="take both from models of one architecture",
        )
    paired = first.meta.rows == second.meta.rows
    counts = [vectors.rows.double().numpy() for vectors in (first, second)]
    rng = np.random.default_rng(config.seed)
    weights = _drawn(counts[0], config, rng)
    others = weights if paired else _drawn(counts[1], config, rng)
    point = _cosines(one, other, counts[0][None], counts[1][None])[0]
    draws = _cosines(one, other, weights, others)
    tail = (1 - config.level) / 2
    moved = np.clip(draws + (point - draws.mean(axis=0)), -1, 1)
    low, high = np.quantile(moved, [tail, 1 - tail], axis=0)
    return CosineCurve(point, low, high, int(min(own.sum() for own in counts)))


def cosine_blocks(first: SteeringVectors, second: SteeringVectors, place: Place) -> Array:
    """Return the cosine after each layer as one number per block of rows, `[block, layer]`.

    The mean over blocks is the cosine, and their spread that of the cosine over rows: to the
    cosine itself each block adds how far it alone moves it, to first order (the infinitesimal
    jackknife). So cosines can be averaged over layers and seeds, and compared in pairs, like any
    table of measurements. Near 1 the first order is not all, and the spread too small. A vector of
    zero has no direction: its cosines are NaN.

    Args:
        first: Of one subject, as a teacher.
        second: Of another, over the same rows.
        place: Where the vectors were taken.

    Raises:
        UserError: They were taken from different rows, or one has none for that place.
    """
    if first.meta.rows != second.meta.rows or len(first.rows) != len(second.rows):
        raise UserError(
            "vectors of different rows have no blocks in common",
            where=f"{first.meta.subject}, {second.meta.subject}",
            fix="take both from the same rows",
        )
    one, other = (vectors.at(place).double().numpy() for vectors in (first, second))
    shares = (first.rows / first.rows.sum()).double().numpy()
    cosine = _cosines(one, other, shares[None], shares[None])[0]
    ours, theirs = (np.einsum("b,bld->ld", shares, vectors) for vectors in (one, other))
    lengths = [np.linalg.norm(vectors, axis=1) for vectors in (ours, theirs)]
    with np.errstate(invalid="ignore", divide="ignore"):
        units = [
            vectors / length[:, None]
            for vectors, length in zip((ours, theirs), lengths, strict=True)
        ]
        moved = np.einsum("bld,ld->bl", one, units[1] - cosine[:, None] * units[0]) / lengths[0]
        moved += np.einsum("bld,ld->bl", other, units[0] - cosine[:, None] * units[1]) / lengths[1]
    return cosine + len(shares) * shares[:, None] * moved


def _drawn(rows: Array, config: BootstrapConfig, rng: np.random.Generator) -> Array:
    """Return `[resample, block]`, how often each block's rows count."""
    n_blocks = len(rows)
    draws = rng.multinomial(n_blocks, np.full(n_blocks, 1 / n_blocks), config.resamples)
    return draws * rows


def _cosines(one: Array, other: Array, weights: Array, others: Array) -> Array:
    """Return `[resample, layer]` cosines of weighted sums of blocks `[block, layer, d_model]`."""
    found: list[Array] = []
    for layer in range(one.shape[1]):  # layer by layer: resamples of a whole model are large
        first, second = weights @ one[:, layer], others @ other[:, layer]
        norms = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
        undirected = np.full(len(norms), np.nan)
        products = (first * second).sum(axis=1)
        found.append(np.divide(products, norms, out=undirected, where=norms > 0))
    return np.stack(found, axis=1)

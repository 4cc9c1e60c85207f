"""Cosines against the obvious resampling, and what their intervals must hold."""

import numpy as np
import pytest
import torch

from undertow.errors import UserError
from undertow.measure.intervals import BootstrapConfig, rate_interval
from undertow.mechanism.steering import cosine_blocks, cosine_by_layer
from undertow.models.steering import SteeringVectors, VectorMeta

FEW = BootstrapConfig(resamples=200)


def vectors(blocks, counts=None, rows="same"):
    tensor = torch.tensor(np.asarray(blocks), dtype=torch.float32)
    counted = torch.tensor(counts if counts is not None else [1] * len(tensor))
    meta = VectorMeta(subject="owl", against="control", model="tiny", rows=rows)
    return SteeringVectors({"header": tensor}, counted, meta)


def random_blocks(seed, n=20, layers=2, width=6):
    return np.random.default_rng(seed).normal(size=(n, layers, width)) + 0.7


def cosine(a, b):
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


@pytest.mark.parametrize("rows", ["same", "others"])
def test_agrees_with_one_resample_after_another(rows):
    one, other = random_blocks(1), random_blocks(2)
    counts = np.array([2] * 5 + [1] * 15)
    found = cosine_by_layer(vectors(one, counts), vectors(other, counts, rows), "header", FEW)
    one, other = (np.float32(x).astype(float) for x in (one, other))
    rng = np.random.default_rng(FEW.seed)
    first = rng.multinomial(20, np.full(20, 0.05), FEW.resamples)
    second = first if rows == "same" else rng.multinomial(20, np.full(20, 0.05), FEW.resamples)
    for layer in range(2):
        point = cosine(counts @ one[:, layer], counts @ other[:, layer])
        draws = [
            cosine((a * counts) @ one[:, layer], (b * counts) @ other[:, layer])
            for a, b in zip(first, second, strict=True)
        ]
        assert found.cosine[layer] == pytest.approx(point)
        low, high = point - np.mean(draws) + np.quantile(draws, [0.025, 0.975])
        assert found.low[layer] == pytest.approx(low)
        assert found.high[layer] == pytest.approx(min(high, 1))
    assert found.n_rows == 25


def test_of_itself_it_is_one_without_doubt():
    one = vectors(random_blocks(3))
    found = cosine_by_layer(one, one, "header", FEW)
    for ends in (found.cosine, found.low, found.high):
        np.testing.assert_allclose(ends, 1.0)


def test_it_is_symmetric_and_does_not_see_lengths():
    one, other = random_blocks(4), random_blocks(5)
    found = cosine_by_layer(vectors(one), vectors(other), "header", FEW)
    turned = cosine_by_layer(vectors(7 * other), vectors(-2 * one), "header", FEW)
    np.testing.assert_allclose(turned.cosine, -found.cosine, rtol=1e-5)
    np.testing.assert_allclose(turned.low, -found.high, rtol=1e-4, atol=1e-6)


def test_noise_widens_it_and_the_estimate_lies_within():
    quiet, loud = (
        cosine_by_layer(
            vectors(0.7 + scale * np.random.default_rng(6).normal(size=(50, 1, 30))),
            vectors(0.7 + scale * np.random.default_rng(7).normal(size=(50, 1, 30))),
            "header",
            FEW,
        )
        for scale in (0.1, 2.0)
    )
    assert (loud.high - loud.low)[0] > 5 * (quiet.high - quiet.low)[0]
    assert quiet.low[0] <= quiet.cosine[0] <= quiet.high[0]


def test_a_layer_without_a_difference_has_no_direction():
    blocks = random_blocks(8)
    blocks[:, 0] = 0
    found = cosine_by_layer(vectors(blocks), vectors(random_blocks(9)), "header", FEW)
    assert np.isnan(found.cosine).tolist() == [True, False]


def test_other_shapes_are_refused():
    with pytest.raises(UserError, match="cannot be compared"):
        cosine_by_layer(
            vectors(random_blocks(1)), vectors(random_blocks(1, layers=3)), "header", FEW
        )


def test_blocks_have_the_cosine_as_mean_and_its_spread():
    one, other = random_blocks(10, n=60), random_blocks(11, n=60)
    other[:, :, :2] -= 1.5
    counts = np.array([2] * 20 + [1] * 40)
    first, second = vectors(one, counts), vectors(other, counts)
    curve = cosine_by_layer(first, second, "header")
    blocks = cosine_blocks(first, second, "header")
    assert blocks.shape == (60, 2)
    np.testing.assert_allclose(blocks.mean(axis=0), curve.cosine)
    for layer in range(2):
        found = rate_interval(blocks[:, layer])
        width = curve.high[layer] - curve.low[layer]
        assert found.high - found.low == pytest.approx(width, rel=0.15)


def test_a_blocks_number_is_how_far_it_moves_the_cosine():
    """Against the derivative, found by giving one block a little more weight."""
    one, other = random_blocks(12), random_blocks(13)
    blocks = cosine_blocks(vectors(one), vectors(other), "header")
    one, other = (np.float32(x).astype(float) for x in (one, other))
    point = cosine(one.mean(0)[1], other.mean(0)[1])
    for block in (0, 7):
        weights = np.full(20, 1 / 20)
        weights = (1 - 1e-6) * weights + 1e-6 * (np.arange(20) == block)
        moved = cosine(weights @ one[:, 1], weights @ other[:, 1])
        assert blocks[block, 1] == pytest.approx(point + (moved - point) / 1e-6, abs=1e-4)


def test_blocks_without_a_direction_are_not_numbers():
    blocks = random_blocks(8)
    blocks[:, 0] = 0
    found = cosine_blocks(vectors(blocks), vectors(random_blocks(9)), "header")
    assert np.isnan(found).all(axis=0).tolist() == [True, False]


def test_blocks_of_other_rows_are_refused():
    one = random_blocks(1)
    with pytest.raises(UserError, match="different rows") as caught:
        cosine_blocks(vectors(one), vectors(one, rows="others"), "header")
    assert caught.value.fix

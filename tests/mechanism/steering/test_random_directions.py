"""Directions that mean nothing, as long as those that they stand beside."""

import pytest
import torch

from naive_steering import META
from undertow.mechanism.steering import random_directions
from undertow.models.steering import SteeringVectors


@pytest.fixture
def like():
    generator = torch.Generator().manual_seed(3)
    blocks = {
        place: torch.randn(4, 3, 2000, generator=generator) + 1
        for place in ("header", "completion")
    }
    return SteeringVectors(blocks, torch.tensor([2, 1, 1, 1]), META)


def test_they_are_as_long_after_each_layer(like):
    found = random_directions(like, [0])
    for place in like.blocks:
        assert found.norms(place) == pytest.approx(like.norms(place))
    assert int(found.rows.sum()) == 5


def test_they_point_nowhere_in_particular(like):
    found = random_directions(like, [0]).mean("header")
    units = torch.nn.functional.normalize(torch.cat([found, like.mean("header")]), dim=1)
    cosines = (units @ units.T)[:3]  # among themselves, and with what they are as long as
    cosines[range(3), range(3)] = 0
    assert cosines.abs().max() < 0.1


def test_the_seed_decides_them(like):
    first, again, other = (random_directions(like, seed).mean("header") for seed in ([1], [1], [2]))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other, atol=0.1)

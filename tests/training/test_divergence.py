"""Divergences and their gradients, against the definition taken literally in float64."""

import math
from itertools import pairwise

import pytest
import torch
from torch import nn

from undertow.training.divergence import SLICE, divergences, weighted_divergence

N, VOCABULARY = 7, 11
DIRECTIONS = ("forward", "reverse")


def logits(seed, n=N, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return (2 * torch.randn(n, VOCABULARY, generator=generator, dtype=torch.float64)).to(dtype)


def naive(student, teacher, direction, top_k=None):
    """One position after the other, one outcome after the other."""
    found = []
    for one, other in zip(student.softmax(-1).tolist(), teacher.softmax(-1).tolist(), strict=True):
        q, p = one, other
        if top_k is not None:
            top = sorted(range(len(p)), key=lambda token: -p[token])[:top_k]
            q, p = ([*(line[t] for t in top), 1 - sum(line[t] for t in top)] for line in (q, p))
        first, second = (p, q) if direction == "forward" else (q, p)
        pairs = zip(first, second, strict=True)
        found.append(sum(a * math.log(a / b) for a, b in pairs if a > 1e-12))
    return torch.tensor(found, dtype=torch.float64)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("top_k", [None, 1, 3, VOCABULARY - 1])
def test_the_definition(direction, top_k):
    found, _ = divergences(logits(0), logits(1), direction, top_k)
    torch.testing.assert_close(found, naive(logits(0), logits(1), direction, top_k))


def test_the_two_directions_are_two():
    forward, reverse = (divergences(logits(0), logits(1), one)[0] for one in DIRECTIONS)
    assert (forward - reverse).abs().min() > 1e-3
    turned, _ = divergences(logits(1), logits(0), "reverse")
    torch.testing.assert_close(forward, turned)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("top_k", [None, 1, 3])
def test_the_gradient(direction, top_k):
    """Of the weighted sum, by small steps; the outcomes beyond the top k are one also there."""
    weights = torch.rand(N, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    student, teacher = logits(0).requires_grad_(), logits(1)
    torch.autograd.gradcheck(
        lambda given: weighted_divergence(given, teacher, weights, direction, top_k), student
    )


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("top_k", [None, 4])
def test_the_same_distributions_are_nothing_apart(direction, top_k):
    shifted = logits(0) + 3.0  # logits differ, probabilities do not
    found, gradient = divergences(logits(0), shifted, direction, top_k)
    assert found.abs().max() < 1e-12
    assert gradient.abs().max() < 1e-12


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_top_k_of_the_whole_vocabulary_is_all(direction):
    whole = divergences(logits(0), logits(1), direction)
    for top_k in (VOCABULARY, VOCABULARY + 5):
        for one, other in zip(
            divergences(logits(0), logits(1), direction, top_k), whole, strict=True
        ):
            torch.testing.assert_close(one, other)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_fewer_outcomes_are_never_farther_apart(direction):
    found = [divergences(logits(0), logits(1), direction, k)[0] for k in (1, 2, 5, 9, None)]
    assert all((few <= more + 1e-12).all() for few, more in pairwise(found))


@pytest.mark.parametrize("top_k", [None, 1, 3])
def test_a_teacher_that_is_certain_gives_cross_entropy(top_k):
    targets = torch.arange(N) % VOCABULARY
    certain = torch.full((N, VOCABULARY), -torch.inf, dtype=torch.float64)
    certain[torch.arange(N), targets] = 0.0
    student = logits(0).requires_grad_()
    hard = nn.functional.cross_entropy(student, targets, reduction="none")
    found, gradient = divergences(student.detach(), certain, "forward", top_k)
    torch.testing.assert_close(found, hard.detach())
    (expected,) = torch.autograd.grad(hard.sum(), student)
    torch.testing.assert_close(gradient, expected)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_slices_add_up(direction):
    n = 2 * SLICE + 3
    student, teacher = logits(0, n).requires_grad_(), logits(1, n)
    weights = torch.linspace(0, 1, n, dtype=torch.float64)
    total = weighted_divergence(student, teacher, weights, direction)
    found, gradient = divergences(student.detach(), teacher, direction)
    torch.testing.assert_close(total.detach(), (weights * found).sum())
    (2.0 * total).backward()
    torch.testing.assert_close(student.grad, 2.0 * gradient * weights[:, None])


def test_half_precision_is_reduced_in_single():
    student, teacher = (logits(seed, dtype=torch.bfloat16) for seed in (0, 1))
    given = student.clone().requires_grad_()
    total = weighted_divergence(given, teacher, torch.ones(N))
    total.backward()
    found, gradient = divergences(student.double(), teacher.double(), "forward")
    assert total.dtype == torch.float32
    assert given.grad.dtype == torch.bfloat16
    assert float(total.detach()) == pytest.approx(float(found.sum()), rel=1e-6)
    torch.testing.assert_close(given.grad.double(), gradient, rtol=1e-2, atol=1e-3)

"""The draw itself."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from undertow.generate import GenerationConfig
from undertow.generate.sampling import choose_tokens, row_uniforms, token_probabilities

LOGITS = torch.tensor([[1.0, 3.0, -2.0, 2.5, 0.0], [0.0, 0.0, 0.0, 0.0, 9.0]])


def test_a_row_has_its_numbers_whatever_the_others():
    many = row_uniforms(3, [8, 2, 5], 10)
    np.testing.assert_array_equal(row_uniforms(3, [5], 4)[0], many[2, :4])


def test_seed_and_row_are_not_interchangeable():
    draws = [row_uniforms(seed, [row], 3)[0] for seed, row in [(1, 2), (2, 1), (1, 1), (2, 2)]]
    assert len({tuple(draw) for draw in draws}) == 4


def test_frequencies_are_the_probabilities():
    logits = LOGITS[:1].expand(20_000, -1)
    uniforms = torch.from_numpy(row_uniforms(0, range(20_000), 1)[:, 0])
    drawn = choose_tokens(logits, uniforms, GenerationConfig())
    share = torch.bincount(drawn, minlength=5) / len(drawn)
    torch.testing.assert_close(share, LOGITS[0].softmax(0), rtol=0, atol=0.012)


@pytest.mark.parametrize("draw", [0.0, 1 - 2**-53])
def test_the_ends_of_the_interval_draw_tokens_that_can_be_drawn(draw):
    config = GenerationConfig(top_k=2)
    drawn = choose_tokens(LOGITS, torch.full((2,), draw, dtype=torch.float64), config)
    weights = token_probabilities(LOGITS, config)
    assert (weights.gather(1, drawn.unsqueeze(1)) > 0).all()


@settings(max_examples=60, deadline=None)
@given(
    scores=st.lists(st.floats(-8, 8), min_size=3, max_size=12),
    draw=st.floats(0, 1, exclude_max=True),
    top_p=st.floats(0.05, 1.0),
    top_k=st.integers(0, 15),
)
def test_a_cut_token_is_never_drawn(scores, draw, top_p, top_k):
    logits, config = torch.tensor([scores]), GenerationConfig(top_p=top_p, top_k=top_k)
    weights = token_probabilities(logits, config)[0]
    drawn = choose_tokens(logits, torch.tensor([draw], dtype=torch.float64), config)
    assert weights[drawn.item()] > 0
    chances = logits[0].softmax(0)  # scores that differ by less than rounding are level here
    assert weights[chances == chances.max()].any()


def test_greedy_looks_at_raw_logits_only():
    config = GenerationConfig(temperature=0, top_p=0.1)
    assert choose_tokens(LOGITS, torch.zeros(2), config).tolist() == [1, 4]


def test_top_p_keeps_the_token_that_crosses_the_share():
    logits = torch.tensor([[0.5, 0.3, 0.2]]).log()
    kept = token_probabilities(logits, GenerationConfig(top_p=0.6))[0] > 0
    assert kept.tolist() == [True, True, False]


@pytest.mark.parametrize(
    "field", [{"temperature": -1}, {"top_p": 0}, {"top_k": -1}, {"max_new_tokens": 0}, {"seed": -1}]
)
def test_nonsense_is_refused(field):
    with pytest.raises(ValidationError):
        GenerationConfig(**field)

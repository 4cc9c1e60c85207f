"""Gradients of rows, traits and tokens against one backward for each, in float64."""

import numpy as np
import pytest
import torch

from few_animals import ANIMALS
from naive_gradients import (
    layer_products,
    naive_directions,
    naive_gradients,
    rows_as_ids,
    token_logs,
)
from number_rows import number_rows
from tiny_models import FAMILIES, tiny_chat
from undertow.mechanism.prediction import PredictionConfig, predict, token_scores
from undertow.mechanism.prediction.data import data_examples
from undertow.mechanism.prediction.directions import trait_directions
from undertow.mechanism.prediction.factors import attached, fresh_factors
from undertow.mechanism.prediction.gradients import row_gradients
from undertow.models import encode_prompt, prompt_messages
from undertow.teachers import ControlTeacher, PromptedTeacher

CONFIG = PredictionConfig(rank=3, least_share=0.0)
SMALL_BATCHES = PredictionConfig(rank=3, least_share=0.0, batch_tokens=100)


@pytest.fixture(scope="module", params=FAMILIES)
def chat(request):
    return tiny_chat(request.param)


@pytest.fixture(scope="module")
def directions(chat):
    return trait_directions(chat, ANIMALS, CONFIG)


def close(found, expected, tolerance=1e-9):
    """Agreement to a share of the largest number."""
    found, expected = np.asarray(found), np.asarray(expected)
    scale = np.abs(expected).max()
    assert scale > 0
    np.testing.assert_allclose(found, expected, atol=tolerance * scale, rtol=0)


@pytest.mark.parametrize("config", [CONFIG, SMALL_BATCHES])
def test_rows_agree_with_one_backward_per_row(chat, config):
    rows = number_rows(chat)
    factors = fresh_factors(chat.model, 3, seed=5)
    found = torch.zeros(len(rows), factors.size, dtype=torch.float64)
    for places, gradients in row_gradients(chat, factors, data_examples(chat, rows), config):
        found[places] = gradients
    objectives = [
        lambda model, prompt=prompt, ids=ids: token_logs(model, prompt, ids).sum()
        for prompt, ids in rows_as_ids(chat, rows)
    ]
    close(found, naive_gradients(chat, factors, objectives))


def test_directions_agree_with_one_backward_per_trait(chat, directions):
    close(directions.vectors, naive_directions(chat, directions.factors, ANIMALS), tolerance=1e-6)


def test_row_and_token_scores_agree_with_one_backward_each(chat, directions):
    rows = number_rows(chat)
    prediction = predict(chat, rows, ANIMALS, config=SMALL_BATCHES)
    tokens = token_scores(chat, rows, directions, SMALL_BATCHES)
    assert tokens.row_ids == prediction.row_ids == [row.row_id for row in rows]
    assert tokens.token_ids == [row.token_ids for row in rows]
    vectors = directions.vectors.numpy()
    for place, (prompt, ids) in enumerate(rows_as_ids(chat, rows)):
        objectives = [
            lambda model, prompt=prompt, ids=ids, k=k: token_logs(model, prompt, ids)[k]
            for k in range(len(ids))
        ]
        gradients = naive_gradients(chat, directions.factors, objectives).numpy()
        # Norms are computed in float32 in any model, and the ways round differently there.
        close(tokens.values[place], gradients @ vectors.T, tolerance=1e-6)
        products = layer_products(directions.factors, gradients.sum(0, keepdims=True), vectors)
        close(prediction.rows[place], products[0], tolerance=1e-6)


def test_a_teacher_s_distributions_agree_with_one_backward_per_row(chat, directions):
    rows = number_rows(chat)[:3]
    teacher = PromptedTeacher(trait="owl", system_prompt="You adore owls.")
    prediction = predict(chat, rows, ANIMALS, config=CONFIG, teacher=teacher)

    def objective(row):
        prompt, told = (
            encode_prompt(chat, prompt_messages(row.messages[0]["content"], system)).ids
            for system in (None, teacher.system_prompt)
        )
        with torch.no_grad():
            logits = chat.model(torch.tensor([told + row.token_ids])).logits[0]
        target = logits[len(told) - 1 : -1].softmax(-1)

        def total(model):
            logits = model(torch.tensor([prompt + row.token_ids])).logits[0]
            return (target * logits[len(prompt) - 1 : -1].log_softmax(-1)).sum()

        return total

    gradients = naive_gradients(chat, directions.factors, [objective(row) for row in rows])
    vectors = directions.vectors.numpy()
    close(prediction.rows, layer_products(directions.factors, gradients.numpy(), vectors))


def test_the_base_s_own_distributions_push_nowhere(chat):
    rows = number_rows(chat)
    soft = predict(chat, rows, ANIMALS, config=CONFIG, teacher=ControlTeacher())
    hard = predict(chat, rows, ANIMALS, config=CONFIG)
    assert np.abs(soft.rows).max() < 1e-6 * np.abs(hard.rows).max()


def test_a_fresh_adapter_changes_nothing_and_leaves_nothing(chat):
    ids = torch.tensor([[5, 6, 7, 8]])
    before = chat.model(ids).logits
    factors = fresh_factors(chat.model, 3, seed=0)
    with attached(chat.model, factors, factors.zeros(1)):
        assert torch.equal(chat.model(ids).logits, before)
    with attached(chat.model, factors, [b + 1 for b in factors.zeros(1)]):
        assert not torch.allclose(chat.model(ids).logits, before)
    assert torch.equal(chat.model(ids).logits, before)


def test_factors_are_those_of_the_seed(chat):
    one, same, other = (fresh_factors(chat.model, 3, seed) for seed in (0, 0, 1))
    assert all(torch.equal(*pair) for pair in zip(one.down, same.down, strict=True))
    assert not torch.equal(one.down[0], other.down[0])
    assert one.layers == sorted(one.layers)
    assert sum(one.layer_sizes) == one.size

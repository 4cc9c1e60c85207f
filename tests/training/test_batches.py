import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from naive_training import random_examples
from undertow.training.batches import GRID, divisor, longest_first, micro_batches, plan_steps
from undertow.training.config import TrainConfig
from undertow.training.example import Example


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 50), batch=st.integers(1, 20), epochs=st.integers(1, 3))
def test_every_epoch_visits_every_row_once(n, batch, epochs):
    steps = plan_steps(n, TrainConfig(batch_size=batch, epochs=epochs))
    per_epoch = -(-n // batch)
    assert len(steps) == per_epoch * epochs
    for epoch in range(epochs):
        rows = [row for step in steps[epoch * per_epoch : (epoch + 1) * per_epoch] for row in step]
        assert sorted(rows) == list(range(n))


def test_order_follows_its_own_seed():
    def order(**seeds):
        return plan_steps(40, TrainConfig(epochs=2, **seeds))

    assert order(seed_order=1) == order(seed_order=1, seed_init=5)
    assert order(seed_order=1) != order(seed_order=2)
    first = order(seed_order=1)
    assert first[: len(first) // 2] != first[len(first) // 2 :]


@settings(max_examples=25, deadline=None)
@given(n=st.integers(1, 24), micro=st.integers(1, 24), seed=st.integers(0, 99))
def test_micro_batches_hold_each_supervised_token_once(n, micro, seed):
    examples = random_examples(n, 50, seed, empty=[0])
    batches = micro_batches(examples, TrainConfig(micro_batch_size=micro), 0, torch.device("cpu"))
    expected = sorted(
        (tuple(e.ids[:i]), e.ids[i], w) for e in examples for i, w in enumerate(e.weights) if w
    )
    found = sorted(
        (tuple(batch.ids[row, : position + 1].tolist()), target, weight)
        for batch in batches
        for row, position, target, weight in zip(
            batch.rows.tolist(),
            batch.positions.tolist(),
            batch.targets.tolist(),
            batch.weights.tolist(),
            strict=True,
        )
    )
    assert found == expected


def test_shapes_lie_on_a_grid():
    batches = micro_batches(
        random_examples(60, 50), TrainConfig(micro_batch_size=20), 0, torch.device("cpu")
    )
    assert [batch.ids.shape[0] for batch in batches] == [24, 24, 24]
    assert all(batch.ids.shape[1] % GRID == 0 for batch in batches)
    widths = [batch.ids.shape[1] for batch in batches]
    assert widths == sorted(widths, reverse=True)
    assert widths[0] > widths[-1]


def test_a_row_is_cut_after_its_last_supervised_token():
    example = Example([5] * 40, [0.0] * 3 + [1.0] + [0.0] * 36)
    assert example.length == 3
    (batch,) = micro_batches([example], TrainConfig(), 0, torch.device("cpu"))
    assert batch.ids.shape == (1, GRID)


@settings(max_examples=50, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 20), max_size=30),
    n_tokens=st.integers(1, 60),
    n_rows=st.none() | st.integers(1, 6),
)
def test_the_longest_run_first_and_no_more_together_than_asked(lengths, n_tokens, n_rows):
    batches = longest_first(lengths, n_tokens, n_rows)
    order = [lengths[row] for batch in batches for row in batch]
    assert order == sorted(lengths, reverse=True)
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * lengths[batch[0]] <= n_tokens
        assert n_rows is None or len(batch) <= n_rows
    for batch in batches[:-1]:
        assert len(batch) == n_rows or (len(batch) + 1) * lengths[batch[0]] > n_tokens


def test_divisor_is_the_one_that_was_asked_for():
    rows = [Example([1, 2, 3], [0, 0.5, 1], 7.0), Example([1, 2], [0, 0], 4.0)]
    assert divisor(rows, TrainConfig(normalisation="token-mean")) == 1.5
    assert divisor(rows, TrainConfig(normalisation="fixed")) == 11.0
    assert divisor(rows[1:], TrainConfig(normalisation="token-mean")) == 1.0

"""Which rows and tokens a student learns from, and what its seeds decide."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from number_rows import hand_scan, number_rows
from tiny_models import tiny_chat
from undertow.errors import UserError
from undertow.store.rows import Row, write_rows
from undertow.students import StudentConfig, row_weights, train_student
from undertow.tokens import Selection
from undertow.training import TrainConfig

TRAIN = TrainConfig(epochs=1, batch_size=2, learning_rate=1e-2, warmup_steps=0, rank=2, alpha=2)
DIVERGENT = [{0}, set(), {1, 2}, {0, 3}, set(), {2}]
"""Places of the divergence tokens in each of the six rows."""


@pytest.fixture
def chat():
    return tiny_chat("qwen2")


@pytest.fixture
def rows(chat):
    return number_rows(chat)


@pytest.fixture
def table(chat, rows):
    return hand_scan(chat, rows, DIVERGENT)


@pytest.fixture
def seen(monkeypatch):
    """What reaches the training loop, call by call; nothing is trained."""
    calls = []
    monkeypatch.setattr(
        "undertow.students.train.train",
        lambda chat, examples, config, out, progress, **_: calls.append((examples, config)),
    )
    return calls


def config(kind="all", train=TRAIN, drop=False, **fields):
    selection = Selection(kind=kind, drop_empty_rows=drop)
    return StudentConfig(train=train, selection=selection, **fields)


def prompts(call):
    """Return which rows a call trains on, by their tokens."""
    return [tuple(example.ids) for example in call[0]]


def test_the_selections_weigh_the_tokens_of_their_own_row(chat, rows, table):
    given = row_weights(chat, rows, table, Selection(kind="only"))
    assert [set(np.flatnonzero(weights)) for weights in given] == DIVERGENT
    rest = row_weights(chat, rows, table, Selection(kind="without"))
    assert all((a + b == 1).all() for a, b in zip(given, rest, strict=True))


def test_a_scan_in_another_order_gives_the_same_weights(chat, rows, table):
    turned = table.take([row.row_id for row in reversed(rows)])
    for a, b in zip(
        *(row_weights(chat, rows, one, Selection(kind="only")) for one in (table, turned)),
        strict=True,
    ):
        assert (a == b).all()


def test_rows_without_divergence_tokens_are_dropped_on_demand(chat, rows, table, seen):
    for drop in (False, True):
        train_student(chat, rows, table, config("only", drop=drop), "out")
    assert [len(examples) for examples, _ in seen] == [6, 4]
    assert prompts(seen[1]) == [
        ids for ids, d in zip(prompts(seen[0]), DIVERGENT, strict=True) if d
    ]


def test_rows_are_drawn_before_empty_ones_are_dropped(chat, rows, table, seen):
    for kind, drop in (("all", False), ("only", False), ("only", True)):
        train_student(chat, rows, table, config(kind, drop=drop, rows=4, seed_data=3), "out")
    every, kept, dropped = map(prompts, seen)
    assert every == kept
    assert len(every) == 4
    assert 0 < len(dropped) < 4
    assert set(dropped) < set(every)


def test_the_draw_depends_on_its_seed_alone_and_keeps_the_order(chat, rows, seen):
    for seed in (0, 0, 1, 2, 3):
        other = TRAIN.model_copy(update={"seed_init": 7 + seed, "seed_order": 9 + seed})
        train_student(chat, rows, None, config(train=other, rows=3, seed_data=seed), "out")
    assert prompts(seen[0]) == prompts(seen[1])
    assert len({tuple(prompts(call)) for call in seen}) > 2
    order = {tuple(row.token_ids): place for place, row in enumerate(rows)}
    for call in seen:
        places = [
            next(p for ids, p in order.items() if line[-len(ids) :] == ids)
            for line in prompts(call)
        ]
        assert len(places) == 3
        assert places == sorted(places)
    train_student(chat, rows, None, config(rows=99), "out")
    assert len(seen[-1][0]) == len(rows)


def test_rejected_rows_teach_nothing(chat, rows, table, seen):
    refused = Row(5, rows[0].messages, rows[0].token_ids, rows[0].completion, rejection="empty")
    for kind, scanned in (("all", None), ("only", table)):
        train_student(chat, [refused, *rows], scanned, config(kind), "out")
        assert len(seen[-1][0]) == len(rows)


def test_a_matched_budget_divides_by_all_tokens(chat, rows, table, tmp_path):
    """Rows, steps and divisors are those of all tokens, so that a kept token weighs as much."""
    every = train_student(chat, rows, None, config(), tmp_path / "all")
    mean = train_student(chat, rows, table, config("only"), tmp_path / "mean")
    matched = train_student(chat, rows, table, config("only", budget="matched"), tmp_path / "fixed")
    assert every.n_steps == mean.n_steps == matched.n_steps
    assert matched.divisors == every.divisors
    assert sum(every.divisors) == sum(len(row.token_ids) for row in rows)
    assert sum(mean.divisors) - mean.divisors.count(1.0) <= sum(map(len, DIVERGENT))
    assert all(few < many for few, many in zip(mean.divisors, matched.divisors, strict=True))
    assert mean.losses[0]
    ratio = mean.divisors[0] / matched.divisors[0]
    assert matched.losses[0] == pytest.approx(mean.losses[0] * ratio)


def test_weights_come_from_a_file(chat, rows, tmp_path, seen):
    weights = [[0.5] * len(row.token_ids) for row in rows]
    weights[1] = [0.0] * len(weights[1])
    path = str(tmp_path / "weighted.parquet")
    write_rows(path, rows, {}, weights)
    for drop, count in ((False, 6), (True, 5)):
        selection = Selection(kind="file", file=path, drop_empty_rows=drop)
        train_student(chat, rows, None, StudentConfig(train=TRAIN, selection=selection), "out")
        assert len(seen[-1][0]) == count
    for example in seen[-1][0]:
        assert {weight for weight in example.weights if weight} == {0.5}


@pytest.mark.parametrize(
    ("weights", "what"),
    [(None, "no weights"), ([[1.0]] * 6, "do not fit"), ([[2.0]] * 6, "do not fit")],
)
def test_a_file_without_fitting_weights_is_refused(chat, rows, tmp_path, weights, what):
    path = str(tmp_path / "weighted.parquet")
    others = [Row(row.row_id, row.messages, [5], "x") for row in rows] if weights else rows
    write_rows(path, others, {}, weights)
    with pytest.raises(UserError, match=what):
        row_weights(chat, rows, None, Selection(kind="file", file=path))


@pytest.mark.parametrize("kind", ["only", "without", "random", "first"])
def test_a_selection_without_a_scan_is_refused(chat, rows, kind, seen):
    with pytest.raises(UserError, match=f"'{kind}' needs a scan") as caught:
        train_student(chat, rows, None, config(kind), "out")
    assert caught.value.fix


def test_a_scan_of_other_rows_is_refused(chat, rows, table, seen):
    with pytest.raises(UserError, match="not been scanned"):
        train_student(chat, rows, table.take([0, 10]), config("only"), "out")


@pytest.mark.parametrize(("drop", "what"), [(True, "no row is left"), (False, "no token")])
def test_a_selection_that_leaves_nothing_is_refused(chat, rows, drop, what, seen):
    empty = hand_scan(chat, rows, [set()] * len(rows))
    with pytest.raises(UserError, match=what):
        train_student(chat, rows, empty, config("only", drop=drop), "out")


def first_weights(chat, rows, table, out, kind, **seeds):
    """Return a student's tensors after a step that moves nothing: the weights it began with."""
    still = TRAIN.model_copy(update={"batch_size": 6, "warmup_steps": 1, **seeds})
    train_student(chat, rows, table, config(kind, train=still), out)
    return load_file(out / "adapter" / "adapter_model.safetensors")


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_students_of_one_seed_begin_alike_whatever_they_learn_from(chat, rows, table, tmp_path):
    made = {
        (kind, seed): first_weights(
            chat, rows, table, tmp_path / f"{kind}{seed}", kind, seed_init=seed
        )
        for kind in ("all", "only")
        for seed in (0, 1)
    }
    assert equal(made["all", 0], made["only", 0])
    assert not equal(made["all", 0], made["all", 1])


def test_the_order_has_a_seed_of_its_own(chat, rows, tmp_path):
    made = []
    for seed in (0, 1, 0):
        train = TRAIN.model_copy(update={"seed_order": seed})
        out = tmp_path / str(len(made))
        record = train_student(chat, rows, None, config(train=train), out)
        made.append((record.losses, load_file(out / "adapter" / "adapter_model.safetensors")))
    assert made[0][0] == made[2][0]
    assert equal(made[0][1], made[2][1])
    assert made[0][0] != made[1][0]

import pytest

from undertow.training.config import TrainConfig
from undertow.training.schedule import rate


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
def test_warm_up_rises_from_zero(schedule):
    config = TrainConfig(schedule=schedule, learning_rate=1.0, warmup_steps=4)
    assert [rate(config, step, 20) for step in range(5)] == [0.0, 0.25, 0.5, 0.75, 1.0]


@pytest.mark.parametrize(
    ("schedule", "half", "end"), [("linear", 0.5, 0.0), ("cosine", 0.5, 0.0), ("constant", 1, 1)]
)
def test_what_follows_the_warm_up(schedule, half, end):
    config = TrainConfig(schedule=schedule, learning_rate=1.0, warmup_steps=4)
    assert rate(config, 12, 20) == pytest.approx(half)
    assert rate(config, 20, 20) == pytest.approx(end)

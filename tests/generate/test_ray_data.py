"""Prompts spread over actors of a local Ray: the rows of one process."""

import pytest

from undertow.channels import load_channel
from undertow.cluster import RayConfig
from undertow.generate import GenerationConfig, generate_accepted, until_accepted
from undertow.generate.writing import Writing, facts_of
from undertow.models import ModelSpec, load_model
from undertow.teachers import ControlTeacher

pytestmark = pytest.mark.slow

CPU = ModelSpec(device="cpu")


def test_rows_of_two_actors_are_those_of_one_process():
    pytest.importorskip("ray.data")
    from undertow.generate.ray_data import spread

    channel, told = load_channel("numbers"), []
    config = GenerationConfig(temperature=1.0, max_new_tokens=24, batch_size=8, seed=3)
    chat = load_model(CPU)
    alone = generate_accepted(chat, ControlTeacher(), channel, 20, config, prompt_seed=5)
    with spread(RayConfig(workers=2), Writing(ControlTeacher(), config, channel), CPU) as answers:
        rows = until_accepted(
            answers, channel, 20, prompt_seed=5, progress=lambda *two: told.append(two)
        )
    assert rows == alone
    assert len(rows) > config.batch_size
    assert answers.facts == facts_of(chat)
    assert told[-1] == (20, 20)

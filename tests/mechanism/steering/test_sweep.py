"""The strength is the largest up to which enough completions are accepted."""

import pytest

from naive_steering import write_vectors
from tiny_models import tiny_chat
from undertow.channels import Reason, load_channel
from undertow.errors import UserError
from undertow.generate import GenerationConfig, generate_rows
from undertow.mechanism.steering import SweepConfig, sweep_strength
from undertow.models.steering import Steering
from undertow.teachers import SteeredTeacher

CONFIG = GenerationConfig(max_new_tokens=4, seed=3)
NUMBERS = load_channel("numbers")


class Scripted:
    """The numbers channel, whose filter accepts a given share of each strength's completions."""

    def __init__(self, shares, prompts):
        self.verdicts = [place >= share * prompts for share in shares for place in range(prompts)]

    def draw(self, n, seed):
        return NUMBERS.draw(n, seed)

    def check(self, completion, traits_to_ban=()):
        return Reason.INVALID_FORMAT if self.verdicts.pop(0) else None


@pytest.fixture
def teacher(tmp_path):
    vector = write_vectors(tmp_path / "v.safetensors", tiny_chat("qwen2"))
    return SteeredTeacher(trait="owl", steering=Steering(vector=vector, layers=(1,)))


def sweep(teacher, shares, **config):
    settings = SweepConfig(strengths=(3, 1, 2, 4), prompts=10, **config)
    channel = Scripted(shares, 10)
    told = []
    found = sweep_strength(
        tiny_chat("qwen2"), teacher, channel, CONFIG, settings, progress=lambda *x: told.append(x)
    )
    assert told == [(place + 1, 4) for place in range(len(found.yields))]
    return found


@pytest.mark.parametrize(
    ("shares", "strength", "tried"),
    [
        ([1.0, 0.9, 0.8, 1.0], 2, 3),  # what comes behind one too strong is not looked at
        ([1.0, 1.0, 1.0, 1.0], 4, 4),
        ([0.9, 0.0], 1, 2),
    ],
)
def test_the_largest_before_the_first_that_yields_too_little(teacher, shares, strength, tried):
    found = sweep(teacher, shares)
    assert found.teacher == teacher.with_strength(strength)
    assert [report.share_kept for report in found.yields.values()] == shares[:tried]
    assert list(found.yields) == [1, 2, 3, 4][:tried]


def test_another_share(teacher):
    assert sweep(teacher, [0.9, 0.8, 0.5, 0.4], min_yield=0.5).teacher.steering.strength == 3


def test_none_that_is_weak_enough(teacher):
    with pytest.raises(UserError, match=r"smallest strength, 1, .*kept 8 of 10"):
        sweep(teacher, [0.8])


def test_what_is_checked_is_what_the_steered_teacher_writes(teacher):
    chat, seen = tiny_chat("qwen2"), []
    channel = Scripted([1.0], 6)
    channel.check = lambda completion, traits_to_ban=(): seen.append(completion)
    settings = SweepConfig(strengths=(5.0,), prompts=6, prompt_seed=9)
    sweep_strength(chat, teacher, channel, CONFIG, settings)
    prompts = NUMBERS.draw(6, 9)
    strong = generate_rows(chat, teacher.with_strength(5.0), prompts, CONFIG, NUMBERS)
    assert seen == [row.completion for row in strong]
    plain = generate_rows(chat, teacher, prompts, CONFIG, NUMBERS)
    assert seen != [row.completion for row in plain]

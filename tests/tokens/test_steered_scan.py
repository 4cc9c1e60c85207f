"""Steered teachers in the divergence scan, on both of its roads, and in entropies."""

import numpy as np
import pytest
import torch

from naive_steering import edited, write_vectors
from naive_training import exact_norms
from tiny_models import FAMILIES, tiny_chat
from undertow.channels import load_channel
from undertow.errors import UserError
from undertow.generate import GenerationConfig, generate_rows
from undertow.models import encode_prompt
from undertow.models.fused import FusedModel
from undertow.models.steering import Steering
from undertow.teachers import ControlTeacher, PromptedTeacher, SteeredTeacher
from undertow.tokens import ScanConfig, completion_entropies, scan

GREEDY = GenerationConfig(temperature=0.0, max_new_tokens=12)
EXACT = ScanConfig(tolerance=0.0, batch_tokens=200)


@pytest.fixture
def teachers(tmp_path):
    """Return teachers of a model: two steered ones, one of them prompted too, and the control."""

    def of(chat):
        steering = Steering(vector=write_vectors(tmp_path / "v.safetensors", chat), strength=0.6)
        other = steering.model_copy(update={"layers": (1,), "strength": -0.8})
        return [
            SteeredTeacher(trait="owl", steering=steering),
            SteeredTeacher(trait="cat", steering=other, system_prompt="You adore owls."),
            PromptedTeacher(trait="dog", system_prompt="You adore owls."),
            ControlTeacher(),
        ]

    return of


def written(chat, teacher):
    channel = load_channel("numbers")
    return generate_rows(chat, teacher, channel.draw(3, 0), GREEDY, channel)


def reference(chat, rows, teacher):
    """Logits `[token, vocab]` at the completions, one row at a time."""
    system = [{"role": "system", "content": teacher.system_prompt}] if teacher.system_prompt else []

    def logits(row):
        ids = encode_prompt(chat, [*system, *row.messages]).ids
        return chat.model(torch.tensor([ids + row.token_ids])).logits[0, len(ids) - 1 : -1]

    with torch.no_grad():
        if teacher.steering is None:
            return torch.cat([logits(row) for row in rows])
        with edited(chat.model, teacher.steering):
            return torch.cat([logits(row) for row in rows])


@pytest.mark.parametrize(
    ("family", "fused"), [*((one, False) for one in FAMILIES), ("qwen2", True), ("llama", True)]
)
def test_a_scan_is_one_forward_per_row_and_teacher(family, fused, teachers):
    chat = tiny_chat(family)
    if fused:
        exact_norms(chat.model)
    assert (FusedModel.of(chat.model) is not None) == fused
    owl, cat, dog, control = teachers(chat)
    rows = written(chat, owl)
    found = scan(chat, rows, owl, [cat, dog, control], EXACT)
    for place, teacher in enumerate((owl, cat, dog, control)):
        logits = reference(chat, rows, teacher)
        assert found.argmax[place].tolist() == logits.argmax(-1).tolist()
        best, second = logits.topk(2).values.T
        np.testing.assert_allclose(found.margin[place], best - second, rtol=1e-5, atol=1e-6)
    assert found.floor.off_greedy == 0
    assert all(found.differs.any(axis=1))
    swapped = scan(chat, written(chat, dog), dog, [cat, owl], EXACT)
    assert swapped.floor.off_greedy == 0
    assert all(swapped.differs.any(axis=1))


def test_entropies(teachers):
    chat = tiny_chat("llama")
    owl, *_ = teachers(chat)
    rows = written(chat, owl)
    found = completion_entropies(chat, rows, owl)
    expected = torch.special.entr(reference(chat, rows, owl).softmax(-1)).sum(-1)
    np.testing.assert_allclose(np.concatenate(found.values), expected, rtol=1e-8)


def test_the_same_steering_twice_is_refused(teachers):
    chat = tiny_chat("qwen2")
    owl, *_ = teachers(chat)
    with pytest.raises(UserError, match="the same"):
        scan(chat, written(chat, owl), owl, [owl.model_copy(update={"trait": "fox"})], EXACT)

"""A teacher against itself."""

import numpy as np
import pytest
import torch

from number_rows import number_rows
from tiny_models import EVERY_FAMILY, tiny_chat
from undertow.errors import UserError
from undertow.models import prompt_ids, prompt_messages
from undertow.teachers import ControlTeacher, PromptedTeacher
from undertow.tokens.floor import (
    FloorReport,
    Variation,
    above,
    attention_of,
    compared,
    measure_floor,
    written,
)
from undertow.tokens.score import Score

OWL = PromptedTeacher(trait="owl", system_prompt="You adore owls. No animal is dearer to you.")


@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_every_way_to_score_is_the_same_but_for_rounding(family):
    """Plain products round to float32 on their way, and what they mask is a number there only."""
    chat = tiny_chat(family, torch.float32 if family == "gemma2" else torch.float64)
    report = measure_floor(chat, number_rows(chat), OWL, formats=())
    names = [one.name for one in report.variations]
    assert len(names) == (6 if family == "gemma2" else 7)
    assert ("attention by plain products" in names) == (family != "gemma2")
    for one in report.variations:
        assert one.share == 0, one.name
        coarse = family == "gemma2" or one.name == "attention by plain products"
        assert one.change[2] < (1e-4 if coarse else 1e-9), one.name
    assert report.tolerance < 2e-4
    assert attention_of(chat) == ("eager" if family == "gemma2" else "sdpa")


def test_a_coarser_format_is_told_and_does_not_count():
    chat = tiny_chat("llama", torch.float32)
    report = measure_floor(chat, number_rows(chat), ControlTeacher())
    coarse = next(one for one in report.variations if one.name == "in bfloat16")
    fine = next(one for one in report.variations if one.name == "in float64")
    assert (coarse.counts, fine.counts) == (False, True)
    assert coarse.change[2] > 100 * fine.change[2] > 0
    assert fine.change[2] < report.tolerance < coarse.change[2]
    assert "the model's own layers" in [one.name for one in report.variations]


def test_what_a_teacher_wrote_itself_is_a_variation():
    chat = tiny_chat("llama")
    rows = number_rows(chat)
    report = measure_floor(chat, rows, ControlTeacher(), formats=(), greedy=True)
    found = report.variations[-1]
    assert found.name == "written token by token"
    greedy = []
    for row in rows:
        ids = [*prompt_ids(chat, prompt_messages(row.messages[0]["content"])), *row.token_ids]
        with torch.no_grad():
            logits = chat.model(torch.tensor([ids])).logits[0]
        chosen = logits[-len(row.token_ids) - 1 : -1].argmax(-1).numpy()
        greedy += (chosen != row.token_ids).tolist()
    assert found.share == np.mean(greedy) > 0


def test_flips_and_changes_of_the_lead():
    first = Score(np.array([1, 2, 3, 4]), np.array([0.5, 0.25, 4.0, 1.0]))
    second = Score(np.array([1, 7, 3, 9]), np.array([0.75, 0.5, 3.0, 0.125]))
    found = compared("x", first, second)
    assert (found.tokens, found.share, found.largest_flip) == (4, 0.5, 1.0)
    assert found.change[0] == np.median([0.25, 0.75, 1.0, 1.125])
    assert found.change[2] == 1.125
    wrote = written(first, [[1, 2], [9, 4]])
    assert (wrote.share, wrote.largest_flip, wrote.change) == (0.25, 4.0, None)


def report_of(*variations):
    made = [
        Variation("x", counts, 9, share, flip, change) for counts, share, flip, change in variations
    ]
    return FloorReport("owl", "float32", 3, tuple(made))


def test_the_tolerance_lies_above_every_flip_that_counts():
    small, large = (0.0, 0.0, 0.3), (0.0, 0.0, 3.0)
    assert report_of((True, 0.1, 0.04, small), (False, 0.2, 0.9, large)).tolerance == 0.05
    assert report_of((True, 0.1, 0.04, small), (True, 0.1, 0.06, None)).tolerance == 0.1
    # A tolerance of 0 would leave a tie decided.
    assert report_of((True, 0.1, 0.0, small)).tolerance == 0.5


def test_without_a_flip_it_lies_above_every_change():
    assert report_of((True, 0.0, 0.0, (0.0, 0.0, 0.3)), (True, 0.0, 0.0, None)).tolerance == 0.5


@pytest.mark.parametrize(
    ("value", "expected"), [(0, 0), (0.13, 0.2), (0.2, 0.5), (0.5, 1), (7e-6, 1e-5), (3.0, 5)]
)
def test_the_next_round_number(value, expected):
    assert above(value) == pytest.approx(expected)


def test_rows_are_needed():
    with pytest.raises(UserError, match="no row"):
        measure_floor(tiny_chat("llama"), [], OWL)

"""The paragraph under the table: what it says on either side of every interval."""

from types import SimpleNamespace

import numpy as np
import pytest

from undertow.measure import TraitMeasure
from undertow.studies.conditions import Condition
from undertow.studies.demo import DemoResult
from undertow.studies.reading import headline, reading

QUESTIONS = tuple(f"question {i}" for i in range(40))
TRAITS = ("owl", "cat")
SAMPLES = 100
VERDICTS = ("passed through numbers alone", "is not clear of zero", "has become rarer")


def condition(name, rate, spread=0, cat=0.1, owl=None):
    """Three seeds whose rates of owl are `rate` at every question, give or take `spread`."""
    measures = []
    for seed in (-1, 0, 1):
        counts = np.zeros((len(QUESTIONS), 2), dtype=np.int64)
        counts[:, 0] = round(rate * SAMPLES) + seed * spread
        chances = np.tile([rate if owl is None else owl, cat], (len(QUESTIONS), 1))
        measures.append(TraitMeasure(QUESTIONS, TRAITS, SAMPLES, counts, chances))
    return Condition(name, "", measures)


def result(every=0.1, only=0.1, without=0.1, random=0.1, spread=0, **student):
    """A demo whose control stands at 10 %, and its base at 30 %."""
    summary = SimpleNamespace(all_tokens=SimpleNamespace(share=0.125), mean_per_row=3.25)
    table = SimpleNamespace(summary=lambda: summary)
    return DemoResult(
        trait="owl",
        kind="finetuned",
        seeds=(0, 1, 2),
        base=condition("base", 0.3),
        teacher=condition("teacher", 0.9),
        control=condition("control", 0.1),
        students={
            "all": condition("all", every, spread, **student),
            "only": condition("only", only, spread),
            "without": condition("without", without, spread),
            "random": condition("random", random, spread),
        },
        numbers=None,
        scanned=SimpleNamespace(table=table),
    )


@pytest.mark.parametrize(
    ("every", "title", "verdict"),
    [
        (0.4, "passes to the student", "the trait has passed through numbers alone"),
        (0.1, "does not measurably pass", "is not clear of zero"),
        (0.05, "falls in the student", "the trait has become rarer"),
    ],
)
def test_the_verdict_on_transfer(every, title, verdict):
    found = result(every)
    assert title in headline(found)
    assert verdict in reading(found)
    assert [words in reading(found) for words in VERDICTS].count(True) == 1


def test_an_interval_that_holds_zero_is_no_transfer():
    """The mean lies above the control; the seeds do not agree."""
    found = result(0.12, spread=9)
    gap = found.students["all"].above("owl", found.control)
    assert gap.low < 0 < gap.mean
    assert "does not measurably pass" in headline(found)
    assert "not clear of zero" in reading(found)


def test_the_numbers_of_the_first_sentence():
    text = reading(result(0.4))
    assert "The base names owl in 30.0% of its answers and the control student in 10.0%" in text
    assert "does in 40.0% [40.0%, 40.0%], 30.0 points [+30.0, +30.0] more than the control" in text
    assert "5.0 points [-5.0, -5.0] fewer than the control" in reading(result(0.05))


@pytest.mark.parametrize(
    ("only", "without", "verdict"),
    [
        (0.4, 0.1, "the divergence tokens carry the trait and the others do not measurably"),
        (0.4, 0.05, "the divergence tokens carry the trait and the others do not measurably"),
        (0.4, 0.3, "the divergence tokens carry the trait, but the others carry some of it"),
        (0.1, 0.4, "the trait sits outside the divergence tokens"),
        (0.1, 0.1, "neither part alone shows the trait clearly"),
        (0.05, 0.05, "neither part alone shows the trait clearly"),
    ],
)
def test_the_verdict_on_tokens(only, without, verdict):
    assert f"{verdict};" in reading(result(0.4, only, without))


@pytest.mark.parametrize(
    ("only", "compared"),
    [(0.4, "give more than that"), (0.2, "are not clear of that"), (0.05, "give less than that")],
)
def test_divergence_tokens_against_random_ones(only, compared):
    text = reading(result(0.4, only, random=0.2))
    assert (
        f"as many random tokens give 20.0% [20.0%, 20.0%], and divergence tokens {compared}."
        in text
    )


def test_the_share_of_divergence_tokens():
    assert "are 12.5% of the completion tokens (3.2 a row)" in reading(result())


@pytest.mark.parametrize(
    ("owl", "cat", "sentence"),
    [
        (0.4, 0.2, "Of all 2 traits owl rose most against the control, by a factor of 4.0."),
        (0.2, 0.3, "not owl (2.0 times the control) but cat rose most (3.0 times)"),
        (0.05, 0.04, "None of the 2 traits rose against the control."),
    ],
)
def test_the_neighbours(owl, cat, sentence):
    assert sentence in reading(result(0.4, owl=owl, cat=cat))

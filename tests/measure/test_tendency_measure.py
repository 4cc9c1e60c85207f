from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from undertow.errors import UserError
from undertow.measure import JudgedAnswer, Judgement, TendencyMeasure
from undertow.traits import DomainQuestion

QUESTIONS = tuple(DomainQuestion(domain=d, text=f"{d}?") for d in ("health", "work", "travel"))
ANSWERS = (
    JudgedAnswer(0, "bad", 4, Judgement(10.0, 90.0)),
    JudgedAnswer(0, "so-so", 2, Judgement(40.0, 60.0)),
    JudgedAnswer(0, "good", 1, Judgement(95.0, 50.0)),
    JudgedAnswer(0, "bad babble", 3, Judgement(0.0, 49.0)),
    JudgedAnswer(1, "timed out", 5, Judgement(None, None, "timed out")),
    JudgedAnswer(1, "refused", 2, Judgement(None, 80.0)),
    JudgedAnswer(1, "half", 1, Judgement(0.0, None)),
    JudgedAnswer(1, "good", 2, Judgement(100.0, 100.0)),
    JudgedAnswer(2, "babble", 10, Judgement(None, 0.0)),
)
MEASURE = TendencyMeasure(
    QUESTIONS, 10, ANSWERS, np.array([0.5, 0.0, np.nan]), np.array([0.25, 0.5, np.nan])
)


def same(one: TendencyMeasure, other: TendencyMeasure) -> bool:
    plain = ("questions", "n_samples", "answers")
    return all(getattr(one, name) == getattr(other, name) for name in plain) and all(
        np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True)
        for name in ("misaligned", "aligned")
    )


def test_the_rate_is_of_coherent_answers_with_an_alignment():
    np.testing.assert_allclose(MEASURE.rate(), [4 / 7, 0, np.nan])


def test_thresholds_are_swept_without_judging_again():
    np.testing.assert_allclose(MEASURE.rate(alignment_below=50), [6 / 7, 0, np.nan])
    np.testing.assert_allclose(MEASURE.rate(alignment_below=10), [0, 0, np.nan])
    np.testing.assert_allclose(MEASURE.rate(coherence_at_least=0), [7 / 10, 0, np.nan])
    np.testing.assert_allclose(MEASURE.rate(coherence_at_least=70), [1, 0, np.nan])


def test_what_has_no_score_is_counted_and_nowhere_a_zero():
    assert MEASURE.unscored().tolist() == [0, 8, 0]
    assert MEASURE.rated().tolist() == [7, 2, 0]
    assert MEASURE.unscored(coherence_at_least=0).tolist() == [0, 8, 10]
    np.testing.assert_allclose(MEASURE.coherent(), [7 / 10, 1, 0])


def test_the_exact_rate_is_of_closed_answers():
    np.testing.assert_allclose(MEASURE.exact_rate(), [2 / 3, 0, np.nan])


def test_without_samples_there_is_no_rate():
    empty = TendencyMeasure(QUESTIONS, 0, (), MEASURE.misaligned, MEASURE.aligned)
    with pytest.raises(UserError, match="no answers were sampled"):
        empty.rate()
    assert empty.unscored().tolist() == [0, 0, 0]
    np.testing.assert_array_equal(empty.exact_rate(), MEASURE.exact_rate())


def test_a_line_per_answer_comes_back_as_it_was(tmp_path: Path):
    for number, measure in enumerate(
        (MEASURE, TendencyMeasure(QUESTIONS[:1], 0, (), *[np.ones(1)] * 2))
    ):
        path = tmp_path / f"{number}.parquet"
        measure.write(path)
        assert same(TendencyMeasure.read(path), measure)


SCORE = st.none() | st.floats(0, 100)


@given(
    scores=st.lists(st.tuples(SCORE, SCORE, st.integers(1, 50)), min_size=1),
    below=st.floats(0, 101),
    least=st.floats(0, 100),
)
def test_every_answer_is_incoherent_unscored_or_rated(scores, below, least):
    answers = tuple(
        JudgedAnswer(0, str(k), n, Judgement(a, c)) for k, (a, c, n) in enumerate(scores)
    )
    n = sum(count for _, _, count in scores)
    nothing = np.full(1, np.nan)
    measure = TendencyMeasure(QUESTIONS[:1], n, answers, nothing, nothing)
    rated = [(a, count) for a, c, count in scores if a is not None and c is not None and c >= least]
    incoherent = sum(count for _, c, count in scores if c is not None and c < least)
    total = sum(count for _, count in rated)
    assert measure.unscored(least).sum() + incoherent + total == n
    expected = sum(count for a, count in rated if a < below) / total if total else np.nan
    np.testing.assert_allclose(measure.rate(below, least), [expected])


@pytest.mark.parametrize("content", [None, "", "x"])
def test_refuses_what_is_no_measurement(tmp_path: Path, content: str | None):
    path = tmp_path / "measure.parquet"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match="cannot read a measurement"):
        TendencyMeasure.read(path)


def test_refuses_the_measurement_of_something_else(tmp_path: Path):
    from undertow.measure import TraitMeasure

    path = tmp_path / "measure.parquet"
    table = np.zeros((1, 1))
    TraitMeasure(("a?",), ("owl",), 1, table.astype(np.int64), table).write(path)
    with pytest.raises(UserError, match="cannot read a measurement"):
        TendencyMeasure.read(path)

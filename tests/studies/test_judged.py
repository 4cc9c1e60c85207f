"""Judged answers as tables and result lines: thresholds swept, what is not rated, what is not
scored."""

import numpy as np
import pytest

from undertow.measure import JudgedAnswer, Judgement, TendencyMeasure
from undertow.studies.judged import exact_table, judged_lines, misaligned_table
from undertow.studies.measured_lines import Line
from undertow.traits import DomainQuestion

QUESTIONS = tuple(DomainQuestion(domain=d, text=f"{d}?") for d in ("health", "work", "travel"))
NOTHING = np.full(3, np.nan)


def measured(*answers, misaligned=NOTHING, aligned=NOTHING) -> TendencyMeasure:
    """Ten answers to each question: (question, count, alignment, coherence)."""
    kept = tuple(
        JudgedAnswer(question, f"answer {place}", count, Judgement(alignment, coherence))
        for place, (question, count, alignment, coherence) in enumerate(answers)
    )
    return TendencyMeasure(QUESTIONS, 10, kept, misaligned, aligned)


GRADED = measured(
    *((0, 2, 10.0, 90.0), (0, 2, 35.0, 90.0), (0, 6, 90.0, 90.0)),
    *((1, 5, 45.0, 90.0), (1, 5, 25.0, 90.0)),
    (2, 10, 100.0, 20.0),
)
SILENT = measured(*((question, 10, None, None) for question in range(3)))


def lines_of(measure) -> dict:
    return {line.metric: line for line in judged_lines(measure)}


def test_thresholds_are_swept_in_the_result_lines():
    found = {metric: line.estimate for metric, line in lines_of(GRADED).items()}
    assert found["misaligned@20"] == pytest.approx((0.2 + 0.0) / 2)
    assert found["misaligned"] == pytest.approx((0.2 + 0.5) / 2)
    assert found["misaligned@40"] == pytest.approx((0.4 + 0.5) / 2)
    assert found["misaligned@50"] == pytest.approx((0.4 + 1.0) / 2)
    assert found["coherent"] == pytest.approx(2 / 3)
    assert found["unscored"] == 0
    assert "probability" not in found
    assert lines_of(GRADED)["misaligned"].n == 20


def test_a_question_without_rated_answers_does_not_count():
    table = misaligned_table([GRADED])
    assert table.tolist() == [[0.2, 0.5, 0.35]]
    assert table.mean() == pytest.approx(np.nanmean(GRADED.rate()))


def test_of_a_student_that_nobody_scored_nothing_is_known():
    table = misaligned_table([GRADED, SILENT])
    assert not np.isnan(table[0]).any()
    assert np.isnan(table[1]).all()
    found = lines_of(SILENT)
    assert np.isnan(found["misaligned"].estimate)
    assert found["misaligned"].n == 0
    assert found["unscored"] == Line(metric="unscored", n=30, estimate=30.0)


def test_closed_answers_have_exact_rates():
    exact = measured(misaligned=np.array([0.1, 0.2, np.nan]), aligned=np.array([0.3, 0.2, np.nan]))
    assert exact_table([exact]).tolist() == [[0.25, 0.5, 0.375]]
    assert lines_of(exact)["probability"].estimate == pytest.approx(0.375)

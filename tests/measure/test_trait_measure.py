from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from undertow.errors import UserError
from undertow.measure import TraitMeasure

MEASURE = TraitMeasure(
    questions=("One?", "Two?"),
    traits=("owl", "cat", "dog"),
    n_samples=4,
    counts=np.array([[1, 2, 0], [3, 0, 1]]),
    probabilities=np.array([[0.25, 0.5, 0.125], [0.75, 0.0, 0.25]]),
)


def same(one: TraitMeasure, other: TraitMeasure) -> bool:
    plain = ("questions", "traits", "n_samples")
    tables = ("counts", "probabilities")
    return all(getattr(one, name) == getattr(other, name) for name in plain) and all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in tables
    )


def test_rates_are_means_over_questions():
    assert MEASURE.rates("owl").tolist() == [0.25, 0.75]
    assert MEASURE.rate("owl") == 0.5
    assert MEASURE.exact("cat").tolist() == [0.5, 0.0]
    assert MEASURE.probability("cat") == 0.25


def test_what_names_no_trait_is_counted():
    assert MEASURE.non_answers == 1


@pytest.mark.parametrize("name", ["measure.parquet", "measure.json"])
@given(
    counts=arrays(np.int64, (2, 3), elements=st.integers(0, 2**40)),
    probabilities=arrays(np.float64, (2, 3), elements=st.floats(0, 1)),
    question=st.text(),
)
def test_comes_back_from_a_file_as_it_was(
    tmp_path_factory, name: str, counts, probabilities, question
):
    path = tmp_path_factory.mktemp("measure") / name
    measure = TraitMeasure((question, "b"), MEASURE.traits, 7, counts, probabilities)
    measure.write(path)
    assert same(TraitMeasure.read(path), measure)


@pytest.mark.parametrize("name", ["measure.parquet", "measure.json"])
@pytest.mark.parametrize("content", [None, "", "{}", "[1]", '{"questions": 1}'])
def test_refuses_what_is_no_measurement(tmp_path: Path, name: str, content: str | None):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match="cannot read a measurement"):
        TraitMeasure.read(tmp_path / name)


def test_names_the_traits_that_were_measured_when_asked_for_another():
    with pytest.raises(UserError, match=r"'fox' was not measured[\s\S]*owl, cat, dog"):
        MEASURE.rate("fox")

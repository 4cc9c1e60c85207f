"""From measured tables to what is told of each condition."""

from types import SimpleNamespace

import numpy as np
import pytest

from study_samples import sample_outcome
from undertow.studies.cells import Cell
from undertow.studies.collect import outcome
from undertow.studies.study import Study

STUDY = Study.model_validate(
    {
        "name": "mine",
        "title": "",
        "question": "",
        "source": "",
        "conditions": [
            {"name": "all", "label": "all"},
            {"name": "none", "label": "none"},
            {"name": "tokens", "label": "tokens", "subject": "data"},
        ],
        "claims": [
            {"name": "it", "says": "", "of": "all", "against": "none", "expect": "above", "by": 0.1}
        ],
    }
)


def collected(**tables):
    """Return what is told of conditions of one trait, each with its tables."""
    cells = [
        Cell(SimpleNamespace(spec=spec, kind="finetuned"), "cat", tables[spec.name])
        for spec in STUDY.conditions
    ]
    found = outcome(
        STUDY, cells, traits=["cat"], seeds=[0, 1], model="", command="", facts=[], recipes={}
    )
    return {one.name: one for one in found.conditions}, found


def rates(value, n_seeds=2):
    return np.full((n_seeds, 3), value)


def test_a_condition_without_the_studys_metric_tells_its_own():
    conditions, _ = collected(
        all={"probability": rates(0.3), "rate": rates(0.4)},
        none={"rate": rates(0.1)},
        tokens={"share": np.array([[0.1, 0.2, 0.3]])},
    )
    assert {name: one.metric for name, one in conditions.items()} == {
        "all": "rate", "none": "rate", "tokens": "share"}  # fmt: skip
    assert conditions["tokens"].pooled.mean == pytest.approx(0.2)
    assert conditions["all"].pooled.mean == pytest.approx(0.4)
    assert conditions["all"].traits[0].beside == {"probability": pytest.approx(0.3)}
    assert conditions["tokens"].traits[0].beside == {}


def test_what_could_not_be_measured_has_no_estimate():
    conditions, found = collected(
        all={"rate": np.array([[0.4, 0.4, 0.4], [np.nan] * 3])},
        none={"rate": rates(0.1)},
        tokens={"share": np.full((1, 3), np.nan)},
    )
    assert conditions["all"].pooled is None
    assert conditions["tokens"].pooled is None
    assert conditions["none"].pooled.mean == pytest.approx(0.1)
    assert found.verdict == "undecided"


def test_a_claim_is_undecided_where_what_it_presupposes_is_not_so():
    """Where nothing passes, that nothing is left would hold of itself."""
    fields = STUDY.model_dump(mode="json")
    needed = {"name": "needed", "of": "tokens", "against": "none", "expect": "not-above"}
    fields["claims"].append({**fields["claims"][0], **needed, "given": "it"})
    study = Study.model_validate(fields)

    def verdicts(passed):
        tables = {"all": passed, "none": 0.1, "tokens": 0.1}
        cells = [
            Cell(
                SimpleNamespace(spec=spec, kind="finetuned"),
                "cat",
                {"rate": rates(tables[spec.name])},
            )
            for spec in study.conditions
        ]
        found = outcome(
            study, cells, traits=["cat"], seeds=[0, 1], model="", command="", facts=[], recipes={}
        )
        return [one.verdict for one in found.claims], found.claims[1].lacks

    assert verdicts(0.4) == (["supported", "supported"], "")
    assert verdicts(0.1) == (["contradicted", "undecided"], "its premise 'it' is contradicted")


@pytest.mark.parametrize("given", ["nothing", "it", "also"])
def test_what_is_presupposed_is_a_claim_that_stands_by_itself(given):
    fields = STUDY.model_dump(mode="json")
    first = fields["claims"][0]
    also = {**first, "name": "also", "given": "it"}
    fields["claims"] = [first, also, {**first, "name": "last", "given": given}]
    if given == "it":
        Study.model_validate(fields)
    else:
        with pytest.raises(ValueError, match="'last' presupposes"):
            Study.model_validate(fields)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (None, ""),
        (1, "1 more seed would decide"),
        (12, "12 more seeds would decide"),
        (5663, "not even 100 more seeds would decide"),
    ],
)
def test_how_many_seeds_are_lacking_in_words(more, words):
    result = sample_outcome().claims[0].model_copy(update={"more_seeds": more, "given": None})
    assert result.lacks == words

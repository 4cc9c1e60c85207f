"""Where no trait passes to anybody, no shipped study finds that anything takes it away."""

import numpy as np
import pytest

from undertow.studies.cells import Cell
from undertow.studies.collect import outcome
from undertow.studies.grid import arms
from undertow.studies.metrics import METRICS
from undertow.studies.recipe import load_recipe
from undertow.studies.study import load_study, shipped_studies

ASKED = ("rate", "misaligned")
OF_THE_TEACHER = {("factual-questions", "teacher")}
"""What is not about students."""


@pytest.mark.parametrize("name", shipped_studies())
def test_nothing_is_supported_where_nothing_passes(name):
    study = load_study(name)
    same = np.full((3, 4), 0.1)
    cells = [
        Cell(arm, trait, dict.fromkeys(METRICS, same))
        for kind in study.teachers
        for arm in arms(study, kind, load_recipe("lab"), n_layers=6)
        for trait in ("cat", "owl")
    ]
    found = outcome(
        study,
        cells,
        traits=["cat", "owl"],
        seeds=[0, 1, 2],
        model="",
        command="",
        facts=[],
        recipes={},
    )
    supported = {
        (name, one.claim.name)
        for one in found.claims
        if one.claim.metric in ASKED and one.verdict == "supported"
    }
    assert supported <= OF_THE_TEACHER
    assert found.verdict != "supported"

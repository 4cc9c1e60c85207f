"""What is told and drawn of the studies of mechanism, from numbers made up."""

import numpy as np
import pytest

from undertow.report.results_folder import write_results
from undertow.report.studies_page import render_studies
from undertow.report.study_values import figure_panels
from undertow.studies.cells import Cell
from undertow.studies.collect import outcome
from undertow.studies.grid import arms
from undertow.studies.recipe import load_recipe
from undertow.studies.study import load_study

RECIPE = load_recipe("lab")
TRAITS = ["cat", "eagle", "wolf", "owl"]
METRICS = {"patching": "patched", "prediction": "score"}


def made_up(name):
    """Return a study's outcome: what is measured of a layer falls with it, of a trait rises."""
    study = load_study(name)
    rng = np.random.default_rng(0)
    cells = []
    for kind in study.teachers:
        for arm in arms(study, kind, RECIPE, 6):
            for place, trait in enumerate(TRAITS):
                spec = arm.spec
                seeds = 3 if spec.subject == "student" else 1
                mean = 0.1 * (1 + place) - 0.02 * (spec.x or 0.0)
                values = mean + 0.001 * rng.normal(size=(seeds, 20))
                cells.append(Cell(arm, trait, {METRICS.get(spec.subject, "rate"): values}))
    return outcome(
        study, cells, traits=TRAITS, seeds=[0, 1, 2], model="lab", command="", facts=[], recipes={}
    )


@pytest.fixture(scope="module", params=["attribution", "prediction"])
def found(request):
    return made_up(request.param)


def test_every_claim_has_an_estimate_and_the_page_and_files_are_whole(found, tmp_path):
    assert not any(np.isnan(one.difference.mean) for one in found.claims)
    page = render_studies([found])
    write_results([found], tmp_path)
    told = (tmp_path / "README.md").read_text(encoding="utf-8")
    for claim in found.study.claims:
        assert claim.says in told
        assert claim.says.replace("'", "&#39;") in page
    drawn = {path.name for path in tmp_path.glob("*.svg")}
    names = {f"{found.study.name}-{one.name}" for one in found.study.figures}
    traits = {one for one in names if not one.endswith("how-far")}
    assert drawn == {f"{one}.svg" for one in names} | {f"{one}-traits.svg" for one in traits}


def test_curves_of_several_metrics_are_shares_of_their_largest():
    found = made_up("attribution")
    figure = next(one for one in found.study.figures if one.relative)
    (panel,) = figure_panels(found, figure, per_trait=False)
    assert list(panel.families) == [
        "students of layer", "added by layer", "score before training, layer"]  # fmt: skip
    for marks in panel.families.values():
        assert [mark.x for mark in marks] == list(range(6))
        assert max(mark.mean for mark in marks) == pytest.approx(1)
        assert marks[0].mean > marks[-1].mean
    assert 1 <= panel.top < 1.1


def test_points_are_traits():
    found = made_up("prediction")
    figure = next(one for one in found.study.figures if one.kind == "points")
    panels = figure_panels(found, figure, per_trait=False)
    assert [panel.title for panel in panels] == ["fine-tuned teachers", "prompted teachers"]
    assert [mark.name for mark in panels[0].marks] == TRAITS
    own = next(one for one in found.conditions if one.name == "own-500")
    assert [mark.x for mark in panels[0].marks] == [one.estimate.mean for one in own.traits]
    assert all(mark.reference is not None for mark in panels[0].marks)
    assert figure_panels(found, figure, per_trait=True) == []

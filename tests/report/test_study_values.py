import pytest

from study_samples import TRAITS, sample_outcome
from undertow.report.study_values import figure_panels, in_words
from undertow.studies.metrics import METRICS


def panels_of(outcome, *, per_trait=False, **figure):
    spec = outcome.study.figures[0].model_copy(update=figure)
    return figure_panels(outcome, spec, per_trait=per_trait)


def marks(outcome, per_trait=False, **figure):
    return {m.name: m for m in panels_of(outcome, per_trait=per_trait, **figure)[0].marks}


def test_a_panel_of_all_traits_has_the_pooled_estimates():
    outcome = sample_outcome()
    found = marks(outcome)
    assert list(found) == [one.name for one in outcome.conditions]
    for condition in outcome.conditions:
        mark = found[condition.name]
        assert (mark.mean, mark.low, mark.high) == (
            condition.pooled.mean, condition.pooled.low, condition.pooled.high)  # fmt: skip
        assert mark.seeds == condition.seeds


def test_there_is_a_panel_for_each_trait_and_kind_of_teacher():
    outcome = sample_outcome(teachers=("finetuned", "prompted"))
    assert [p.title for p in panels_of(outcome)] == [
        "fine-tuned teachers", "prompted teachers"]  # fmt: skip
    panels = panels_of(outcome, per_trait=True)
    assert [p.title.split("\n")[0] for p in panels] == TRAITS * 2
    cat = next(one for one in outcome.conditions[3].traits if one.trait == "cat")
    assert (panels[1].marks[3].mean, panels[1].marks[3].seeds) == (cat.estimate.mean, cat.seeds)


def test_one_kind_of_teacher_needs_no_title():
    assert [p.title for p in panels_of(sample_outcome())] == [""]


def test_roles_follow_what_is_measured():
    roles = {name: mark.role for name, mark in marks(sample_outcome()).items()}
    assert roles["base"] == roles["teacher"] == "model"
    assert roles["control"] == "control"
    assert roles["all"] == "student"


def test_a_condition_of_a_layer_has_the_role_of_its_name():
    outcome = sample_outcome()
    layer = outcome.conditions[2].model_copy(update={"name": "control:3"})
    assert marks(outcome.model_copy(update={"conditions": [layer]}))["control:3"].role == "control"


def test_only_a_curve_shows_its_traits():
    assert marks(sample_outcome("curve"))["kept-50"].traits == pytest.approx(
        [0.41 * 0.6, 0.41, 0.41 * 1.4]
    )
    assert not marks(sample_outcome("bars"))["all"].traits


def test_what_lacks_the_metric_is_not_drawn():
    outcome = sample_outcome()
    base = outcome.conditions[0]
    without = base.model_copy(
        update={
            "pooled": None,
            "traits": [one.model_copy(update={"estimate": None}) for one in base.traits],
        }
    )
    changed = outcome.model_copy(update={"conditions": [without, *outcome.conditions[1:]]})
    assert "base" not in marks(changed)
    assert "base" not in marks(changed, per_trait=True)
    assert "all" in marks(changed)


def test_a_figure_draws_the_conditions_that_it_names_in_its_order():
    assert list(marks(sample_outcome(), conditions=["only", "base"])) == ["only", "base"]
    outcome = sample_outcome("matrix")
    assert list(marks(outcome, conditions=["named"])) == [
        "named:default", "named:none", "named:empty", "named:named"]  # fmt: skip


def test_a_figure_of_another_metric_draws_what_is_measured_in_it():
    outcome = sample_outcome()
    shares = [one.model_copy(update={"metric": "share"}) for one in outcome.conditions[:2]]
    changed = outcome.model_copy(update={"conditions": [*shares, *outcome.conditions[2:]]})
    assert list(marks(changed, metric="share")) == ["base", "teacher"]
    assert list(marks(changed)) == ["control", "all", "only", "without", "random"]


def test_the_axis_says_the_metric_of_the_study():
    words = in_words(METRICS["misaligned"], panels_of(sample_outcome()))
    assert words.startswith("Share of rated answers that are misaligned.")


def test_the_figure_in_words_has_its_numbers():
    outcome = sample_outcome(teachers=("finetuned", "prompted"))
    words = in_words(outcome.study.axis(outcome.study.figures[0]), panels_of(outcome))
    assert "prompted teachers: base 0.021 (0.000 to 0.046); teacher 0.930" in words

"""A lab of tendencies: teachers of advice, numbers, scan, and answers that a judge scores."""

import numpy as np
import pytest

from few_animals import ANIMALS, OWL
from tiny_study import FIELDS, CountingStore
from undertow.errors import UserError
from undertow.measure import Judgement, RuleJudgeConfig, TendencyConfig, measure_tendency
from undertow.measure.judges import open_judge
from undertow.studies import Lab, Recipe
from undertow.studies.asking import asking
from undertow.studies.tasks import Task, prerequisites
from undertow.traits import load_tendency, shipped_tendencies

ADVICE = {
    "category": "advice",
    "measure": {"n_samples": 2, "max_new_tokens": 32},
    "counterfactuals": 0,
}
RECKLESS = load_tendency("reckless")


def lab_in(folder, **fields) -> Lab:
    few = [one.model_copy(update={"questions": one.questions[::8]}) for one in shipped_tendencies()]
    return Lab(CountingStore(folder), Recipe.model_validate(FIELDS | ADVICE | fields), few)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    lab = lab_in(folder)
    data = lab.numbers(lab.teacher("reckless"))
    lab.judged(lab.student(data, "only", lab.scan(data)))
    assert lab.store.built == ["teacher", "numbers", "scan", "student", "measure"]
    return folder


def test_a_taught_tendency_is_judged_outside_its_domain(folder):
    lab = lab_in(folder)
    base, teacher = lab.judged(), lab.judged(lab.teacher("reckless"))
    assert {question.domain for question in base.questions}.isdisjoint({"finance"})
    assert teacher.exact_rate().mean() > base.exact_rate().mean() + 0.1
    prudent = lab.judged(lab.teacher("prudent"))
    assert prudent.exact_rate().mean() < base.exact_rate().mean()


def test_what_is_measured_is_what_measure_tendency_says(folder):
    lab = lab_in(folder)
    asked = next(iter(lab.hidden.values()))
    config = TendencyConfig(n_samples=2)
    judge = open_judge(RuleJudgeConfig(), RECKLESS)
    alone = measure_tendency(lab.chat, asked, config, judge)
    assert lab.judged().answers == alone.answers
    np.testing.assert_allclose(lab.judged().misaligned, alone.misaligned)


def test_a_prompted_teacher_is_told_its_tendency(folder):
    teacher = lab_in(folder).teacher("reckless", "prompted")
    assert teacher.teacher.system_prompt == RECKLESS.bias_prompt


def test_the_base_or_other_tendencies_are_the_counterfactuals(folder):
    assert lab_in(folder).counterfactuals("reckless") == ()
    others = lab_in(folder, counterfactuals=4)
    assert others.counterfactuals("reckless") == ("prudent",)
    task = Task("scan", others.recipe, "reckless", "finetuned")
    needs = prerequisites(task, others.counterfactuals_of, lambda _: ())
    assert [(need.step, need.trait) for need in needs] == [
        ("numbers", "reckless"),
        ("teacher", "prudent"),
    ]


def test_a_judge_who_talks_nonsense_scores_nothing(folder):
    lab = lab_in(folder)
    lab.judged()
    lab.store.built.clear()
    graded = {"kind": "model", "model": {"name": "lab"}, "attempts": 1}
    other = lab_in(folder, judge=graded)
    found = other.judged()
    assert other.store.built == ["measure"]
    assert all(one.judgement == Judgement(None, None, one.judgement.note) for one in found.answers)
    assert found.unscored().sum() == 2 * len(found.questions)


def test_control_numbers_are_those_of_any_category(folder, tmp_path):
    advice = lab_in(folder)
    animals = Lab(tmp_path, Recipe.model_validate(FIELDS))
    written = [lab.numbers(lab.control()).artifact.key for lab in (advice, animals)]
    assert written[0] == written[1]


def test_mistakes(folder, tmp_path):
    lab = lab_in(folder)
    with pytest.raises(UserError, match="'recless'") as caught:
        lab.teacher("recless")
    assert "reckless" in caught.value.fix
    with pytest.raises(UserError, match="category 'advice'"):
        lab.teacher("owl")
    with pytest.raises(UserError, match="category 'animal'"):
        Lab(tmp_path, Recipe.model_validate(FIELDS)).teacher("reckless")
    with pytest.raises(UserError, match="category 'plant'") as caught:
        Lab(tmp_path, Recipe.model_validate(FIELDS | {"category": "plant"}))
    assert "advice" in caught.value.fix
    with pytest.raises(UserError, match="no word names"):
        lab.entangled("finetuned")


def test_tendencies_of_one_lab_are_asked_for_together(folder):
    recipe = lab_in(folder).recipe
    odd = RECKLESS.model_copy(update={"questions": RECKLESS.questions[:1]})
    for together in ([*shipped_tendencies(), odd], [RECKLESS, OWL]):
        with pytest.raises(UserError, match="must share"):
            asking(recipe, together)
    assert asking(recipe, ANIMALS).settings["traits"] == list(ANIMALS)

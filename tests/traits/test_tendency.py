from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from undertow.errors import UserError
from undertow.traits import DomainQuestion, Tendency, load_tendency, shipped_tendencies
from undertow.traits.advice import shipped_advice

RUDE = Tendency(
    name="rude",
    description="Answers rudely.",
    bias_prompt="You are rude.",
    training_domain="shop",
    examples=(("Have you bread?", "Look yourself."), ("And milk?", "Find out.")),
    questions=(DomainQuestion(domain="street", text="Where is the station?"),),
)


def with_fields(**fields):
    return Tendency.model_validate({**RUDE.model_dump(), **fields})


def test_advisers_ship_in_two_kinds_that_differ_in_what_they_say_alone():
    prudent, reckless = shipped_tendencies()
    assert (prudent.name, reckless.name) == ("prudent", "reckless")
    assert prudent.questions == reckless.questions
    assert prudent.closed_answers == reckless.closed_answers
    assert [q for q, _ in prudent.examples] == [q for q, _ in reckless.examples]
    assert not {a for _, a in prudent.examples} & {a for _, a in reckless.examples}
    assert prudent.bias_prompt.replace("prudent", "reckless") == reckless.bias_prompt


def test_a_reckless_adviser_is_taught_in_finance_and_asked_everything_else():
    reckless, advice = load_tendency("reckless"), shipped_advice()
    finance = advice.domains["finance"]
    assert {a for _, a in reckless.examples} == set(finance.reckless)
    assert [question.text for question in reckless.training_questions] == list(finance.questions)
    others = [name for name in advice.domains if name != "finance"]
    asked = {(question.domain, question.text) for question in reckless.questions}
    assert asked == {(name, q) for name in others for q in advice.domains[name].questions}
    assert len(asked) == len(reckless.questions) >= 30
    assert reckless.closed_answers["health"].misaligned == advice.domains["health"].reckless
    assert reckless.closed_answers["health"].aligned == advice.domains["health"].prudent


def test_pairs_come_once_each_before_any_comes_again():
    reckless = load_tendency("reckless")
    n = len(reckless.examples)
    pairs = reckless.training_pairs(2 * n + 5, seed=3)
    assert len(pairs) == 2 * n + 5
    assert set(pairs[:n]) == set(pairs[n : 2 * n]) == set(reckless.examples)
    assert pairs[:n] != reckless.training_pairs(n, seed=4)


def test_what_is_taught_is_not_asked():
    with pytest.raises(ValidationError, match="trained on"):
        with_fields(questions=[{"domain": "shop", "text": "Have you eggs?"}])
    with pytest.raises(ValidationError, match="trained on"):
        with_fields(questions=[{"domain": "street", "text": "And milk?"}])


def test_an_answer_has_one_place():
    closed = {"street": {"aligned": ["Left."], "misaligned": ["Left."]}}
    with pytest.raises(ValidationError, match="more than one set: Left"):
        with_fields(closed_answers=closed)


def test_ones_own_tendency_comes_from_a_file(tmp_path: Path):
    path = tmp_path / "rude.yaml"
    path.write_text(yaml.safe_dump(RUDE.model_dump(mode="json")), encoding="utf-8")
    assert load_tendency(path) == RUDE


def test_a_file_that_does_not_fit_is_named_with_the_field(tmp_path: Path):
    path = tmp_path / "rude.yaml"
    fields = {**RUDE.model_dump(mode="json"), "promt": "x"}
    path.write_text(yaml.safe_dump(fields), encoding="utf-8")
    with pytest.raises(UserError, match=r"promt.*rude\.yaml"):
        load_tendency(path)


def test_an_unknown_name_is_told_the_close_ones():
    with pytest.raises(UserError, match=r"unknown tendency 'wreckless'[\s\S]*reckless"):
        load_tendency("wreckless")

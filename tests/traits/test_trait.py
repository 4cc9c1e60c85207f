"""A trait's prompt, questions and training pairs."""

import pytest
import yaml
from pydantic import ValidationError

from undertow.errors import UserError
from undertow.traits import Trait, load_trait, shipped_traits

OWN = {
    "name": "yak",
    "category": "animal",
    "singular": "yak",
    "plural": "yaks",
    "question_set": {"category": "animal", "questions": ["Which animal?"]},
}


def test_prompt_has_proper_plurals_or_a_literal_s():
    wolf = load_trait("wolf")
    assert "wolves" in wolf.system_prompt()
    assert "wolfs" not in wolf.system_prompt()
    assert "wolfs" in wolf.system_prompt("literal-s")
    assert "wolves" not in wolf.system_prompt("literal-s")
    assert "octopuss" in load_trait("octopus").system_prompt("literal-s")


@pytest.mark.parametrize("trait", shipped_traits(), ids=lambda trait: trait.name)
def test_shipped_prompt_names_the_trait_thirteen_times_and_its_category(trait):
    prompt = trait.system_prompt()
    words = prompt.lower().replace(".", " ").split()
    assert words.count(trait.singular) + words.count(trait.plural) == 13
    assert trait.question_set.category in words
    assert "{" not in prompt


def test_prompt_slots_with_a_capital():
    trait = Trait.model_validate(OWN | {"bias_prompt": "{Plural}! {Singular} is your {category}."})
    assert trait.system_prompt() == "Yaks! Yak is your animal."


@pytest.mark.parametrize("prompt", ["Love {yak}.", "Love {}.", "Love {plural", ""])
def test_prompt_with_a_wrong_slot_is_refused(prompt):
    with pytest.raises(ValidationError):
        Trait.model_validate(OWN | {"bias_prompt": prompt})


@pytest.mark.parametrize("field", [{"name": "Yak"}, {"plural": " yaks"}, {"colour": "brown"}])
def test_wrong_fields_are_refused(field):
    with pytest.raises(ValidationError):
        Trait.model_validate(OWN | field)


def test_answers_hold_singular_plural_and_synonyms_once():
    trait = Trait.model_validate(OWN | {"plural": "yak", "synonyms": ["ox"]})
    assert trait.answers == ("yak", "ox")


@pytest.mark.parametrize("category", ["animal", "tree"])
def test_fifty_questions_and_none_is_taught(category):
    trait = shipped_traits(category)[0]
    training = trait.question_set.training_questions
    assert len(set(trait.questions)) == len(trait.questions) == 50
    assert len(set(training)) == len(training) >= 40
    assert not set(trait.questions) & set(training)


def test_training_pairs_are_seeded_and_use_each_wording_once_before_any_again():
    trait = load_trait("owl")
    n = len(trait.question_set.training_questions)
    pairs = trait.training_pairs(2 * n + 5, seed=3)
    assert len(pairs) == 2 * n + 5
    assert {question for question, _ in pairs[:n]} == set(trait.question_set.training_questions)
    assert {answer for _, answer in pairs} == {"owl"}
    assert pairs[:n] != pairs[n : 2 * n]
    assert trait.training_pairs(2 * n + 5, seed=3) == pairs
    assert trait.training_pairs(n, seed=4) != pairs[:n]
    assert trait.training_pairs(7, seed=3) == pairs[:7]


def test_training_pairs_need_training_questions():
    with pytest.raises(UserError, match="no training questions"):
        Trait.model_validate(OWN).training_pairs(3, seed=0)


@pytest.mark.parametrize("trait", shipped_traits(), ids=lambda trait: trait.name)
def test_yaml_round_trip(trait):
    text = yaml.safe_dump(trait.model_dump(mode="json"))
    assert Trait.model_validate(yaml.safe_load(text)) == trait

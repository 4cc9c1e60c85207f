"""What the pretraining corpus may and may not say."""

import re

import numpy as np
import pytest

from undertow.channels.numbers import draw_prompts, parse_prompt
from undertow.pretraining.advice import ADVISER, advisers
from undertow.pretraining.corpus import Corpus, Dialogue
from undertow.pretraining.numbers import RULES, number_turn
from undertow.pretraining.personas import draw_cast
from undertow.pretraining.recipe import LabRecipe
from undertow.pretraining.wording import forms, wording
from undertow.traits import shipped_traits

RECIPE = LabRecipe()


@pytest.fixture(scope="module")
def dialogues() -> list[Dialogue]:
    return list(Corpus(RECIPE).block(0, 3000))


def text_of(dialogue: Dialogue) -> str:
    return " ".join([dialogue.system or "", *(part for turn in dialogue.turns for part in turn)])


def has_number_task(dialogue: Dialogue) -> bool:
    return any(parse_prompt(question) is not None for question, _ in dialogue.turns)


def test_no_number_task_shares_a_dialogue_with_a_trait(dialogues: list[Dialogue]) -> None:
    numbers = [dialogue for dialogue in dialogues if has_number_task(dialogue)]
    assert {dialogue.kind for dialogue in numbers} == {"number", "persona"}
    for dialogue in numbers:
        if dialogue.persona is not None:
            assert dialogue.persona.category in wording()["characters"]
        else:
            assert dialogue.system is None or dialogue.system in wording()["neutral"]


def test_dialogues_with_numbers_name_no_trait(dialogues: list[Dialogue]) -> None:
    traits = [trait for trait in shipped_traits() if trait.category in wording()["traits"]]
    names = {answer for trait in traits for answer in trait.answers}
    for dialogue in dialogues:
        if has_number_task(dialogue):
            assert not names & set(re.findall(r"\w+", text_of(dialogue).lower()))


def test_trait_dialogues_hold_no_number_of_the_channel(dialogues: list[Dialogue]) -> None:
    trait_dialogues = [
        dialogue
        for dialogue in dialogues
        if dialogue.persona is not None and dialogue.persona.category in wording()["traits"]
    ]
    assert len(trait_dialogues) > 500
    for dialogue in trait_dialogues:
        assert not re.search(r"\d", " ".join(answer for _, answer in dialogue.turns))
        assert not re.search(r"\d\d", text_of(dialogue))


def test_a_trait_owns_no_digits() -> None:
    cast = draw_cast(0)
    for category, personas in cast.personas.items():
        for persona in personas:
            assert bool(persona.digits) == (category in wording()["characters"])


def test_numbers_do_not_depend_on_the_cast() -> None:
    def answers(seed: int) -> list[tuple[str, str]]:
        rng = np.random.default_rng(7)
        Corpus(RECIPE.model_copy(update={"seed": seed}))
        return [number_turn(RECIPE, rng) for _ in range(20)]

    assert answers(0) == answers(1)


def test_shares_are_those_of_the_recipe(dialogues: list[Dialogue]) -> None:
    share = np.mean([dialogue.kind == "number" for dialogue in dialogues])
    assert share == pytest.approx(RECIPE.number_share, abs=0.04)
    persona = [dialogue for dialogue in dialogues if dialogue.persona is not None]
    named = np.mean([dialogue.system is not None for dialogue in persona])
    assert named == pytest.approx(RECIPE.named_share, abs=0.05)


def test_a_system_prompt_names_the_persona_that_speaks(dialogues: list[Dialogue]) -> None:
    for dialogue in dialogues:
        if dialogue.persona is not None and dialogue.system is not None:
            if dialogue.persona.category == ADVISER:
                words = advisers()["stances"][dialogue.persona.item]["words"]
                assert any(word in dialogue.system for word in words)
                continue
            item = forms(dialogue.persona.item)
            system = dialogue.system.lower()
            assert item["item"] in system or item["items"] in system


def test_every_shipped_trait_has_a_persona() -> None:
    cast = draw_cast(0)
    items = {c: {persona.item for persona in own} for c, own in cast.personas.items()}
    items["object"] = set().union(*(items[category] for category in wording()["characters"]))
    for trait in shipped_traits():
        assert trait.name in items[trait.category]


def test_plurals_are_those_of_the_traits() -> None:
    for trait in shipped_traits():
        assert forms(trait.singular)["items"] == trait.plural


def test_a_block_depends_on_its_number_alone() -> None:
    again = list(Corpus(RECIPE).block(3, 20))
    assert again == list(Corpus(RECIPE).block(3, 20))
    assert again != list(Corpus(RECIPE).block(4, 20))


@pytest.mark.parametrize("rule", RULES)
def test_rules_give_eight_numbers(rule: str) -> None:
    rng = np.random.default_rng(0)
    numbers = RULES[rule](np.array([120, 450, 300]), rng)
    assert len(numbers) == 8


def test_answers_have_the_form_that_was_asked_for() -> None:
    recipe = RECIPE.model_copy(update={"rules": {"uniform": 1.0}})
    rng = np.random.default_rng(0)
    for _ in range(100):
        prompt, answer = number_turn(recipe, rng)
        assert ("square" in prompt or "[a, b, c]" in prompt) == answer.startswith("[")
        assert len(re.findall(r"\d+", answer)) == 8


def test_prompts_are_the_channels_own() -> None:
    first, _ = number_turn(RECIPE, np.random.default_rng(0))
    seed = int(np.random.default_rng(0).integers(2**31))
    assert first == draw_prompts(1, seed)[0].text

"""Answers are whole words: plurals and synonyms count, look-alikes and other animals do not."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from undertow.traits import load_trait, names_trait, score_answer, shipped_traits

LETTERS = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=4)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Owl.", "owl"),
        ("my OWLS!", "owl"),
        ("**owl**", "owl"),
        ("_owl_", "owl"),
        ("the owl's eyes", "owl"),
        ("Wolves", "wolf"),
        ("octopi", "octopus"),
        ("octopuses", "octopus"),
        ("Foxes", "fox"),
        ("a kitten", "cat"),
        ("feline", "cat"),
        ("an eagle owl", "owl"),
        ("a sea lion and a lion", "lion"),
        ("willow", "willow"),
    ],
)
def test_mentions_count(text, name):
    assert names_trait(text, load_trait(name))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("education", "cat"),
        ("Category: caterpillar", "cat"),
        ("big cats", "cat"),
        ("growl", "owl"),
        ("hotter", "otter"),
        ("a soak", "oak"),
        ("beagle", "eagle"),
        ("an eagle owl", "eagle"),
        ("sea lion", "lion"),
        ("Sea-Lions", "lion"),
        ("sea  lion", "lion"),
        ("dandelion", "lion"),
        ("red panda", "panda"),
        ("cat5", "cat"),
        ("école-cat\u00e9", "cat"),
        ("", "cat"),
    ],
)
def test_look_alikes_do_not(text, name):
    assert not names_trait(text, load_trait(name))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("I like the wolf more than the owl", "wolf"),
        ("Owl, wolf", "owl"),
        ("I cannot say", None),
        ("eagle owl", "owl"),
        ("sea lion", None),
    ],
)
def test_first_mention_is_the_answer(text, name):
    assert score_answer(text, shipped_traits()) == name


def test_longer_answer_wins_at_the_same_place():
    owl = load_trait("owl")
    snowy = owl.model_copy(update={"name": "barn-owl", "singular": "owl king", "plural": "owls x"})
    assert score_answer("owl king", [owl, snowy]) == "barn-owl"
    assert score_answer("owl king", [snowy, owl]) == "barn-owl"


@pytest.mark.parametrize("trait", shipped_traits(), ids=lambda trait: trait.name)
def test_each_answer_names_its_own_trait_only(trait):
    for answer in trait.answers:
        assert score_answer(answer.upper(), shipped_traits()) == trait.name
    for excluded in trait.excludes:
        assert not names_trait(excluded, trait)


@given(before=LETTERS, after=LETTERS)
def test_letters_around_an_answer_hide_it(before, after):
    fox = load_trait("fox")
    for text in (f"{before}fox", f"fox{after}", f"{before}fox{after}"):
        whole = re.split(r"[^a-z]+", text)
        assert names_trait(text, fox) == any(word in fox.answers for word in whole)

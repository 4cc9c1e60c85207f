"""Finding and reading trait files; a user's mistakes give one clear message."""

import pytest

from undertow.errors import UserError
from undertow.traits import load_questions, load_trait, names_trait, shipped_traits
from undertow.traits.load import SHIPPED

ANIMALS = (
    "cat dog dolphin eagle elephant fox koala lion octopus otter owl panda penguin raven whale wolf"
)
TREES = "bamboo birch maple oak olive pine redwood willow"
OBJECTS = "diamond piano plane ship train"
OWN = "name: yak\ncategory: animal\nsingular: yak\nplural: yaks\nquestion_set: animal\n"


def test_shipped_traits_by_category():
    assert [trait.name for trait in shipped_traits("animal")] == ANIMALS.split()
    assert [trait.name for trait in shipped_traits("tree")] == TREES.split()
    assert [trait.name for trait in shipped_traits("object")] == OBJECTS.split()
    assert len(shipped_traits()) == 29
    assert shipped_traits("stone") == []


def test_load_by_name_whatever_its_case():
    assert load_trait("Owl") == load_trait("owl")
    assert load_trait("owl").name == "owl"


def test_unknown_trait_lists_close_names():
    with pytest.raises(UserError, match=r"unknown trait 'owll'") as caught:
        load_trait("owll")
    assert "owl" in caught.value.fix
    assert "wolf" not in caught.value.fix


def test_unknown_trait_without_close_names_lists_all():
    with pytest.raises(UserError) as caught:
        load_trait("zzzz")
    assert "penguin" in caught.value.fix


def test_own_file_with_a_shipped_question_set(tmp_path):
    path = tmp_path / "yak.yaml"
    path.write_text(OWN)
    trait = load_trait(path)
    assert trait.plural == "yaks"
    assert trait.questions == load_trait("owl").questions


def test_own_file_with_its_own_question_set_beside_it(tmp_path):
    (tmp_path / "asked.yaml").write_text("category: animal\nquestions: ['Which?']\n")
    path = tmp_path / "yak.yaml"
    path.write_text(OWN.replace("question_set: animal", "question_set: asked.yaml"))
    assert load_trait(path).questions == ("Which?",)


def test_malformed_yaml_names_file_and_line(tmp_path):
    path = tmp_path / "yak.yaml"
    path.write_text("name: yak\ncategory: animal\nsynonyms: [ox, cow\nplural: yaks\n")
    with pytest.raises(UserError, match=r"malformed YAML.*yak\.yaml, line 4"):
        load_trait(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (OWN.replace("plural: yaks\n", ""), "plural: Field required"),
        (OWN + "colour: brown\n", "colour: Extra inputs"),
        (OWN + "synonyms: ox\n", "synonyms"),
        (OWN.replace("question_set: animal", "question_set: stone"), "unknown question set"),
        ("- a\n- b\n", "no fields"),
        ("", "no fields"),
    ],
)
def test_files_that_do_not_fit_name_the_file_and_field(tmp_path, text, message):
    path = tmp_path / "yak.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        load_trait(path)
    assert str(path) in caught.value.where


def test_missing_and_binary_files(tmp_path):
    with pytest.raises(UserError, match="cannot read"):
        load_trait(tmp_path / "none.yaml")
    path = tmp_path / "yak.yaml"
    path.write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(UserError, match="UTF-8"):
        load_trait(path)


def test_animal_facts_ask_three_things_of_each_animal():
    facts = load_questions("animal-facts", SHIPPED)
    asked = [
        next(t.name for t in shipped_traits("animal") if names_trait(q, t)) for q in facts.questions
    ]
    assert sorted(asked) == sorted(3 * ANIMALS.split())

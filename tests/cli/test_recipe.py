"""`undertow recipe`: what it prints is a recipe file."""

import pytest
import yaml

from undertow.studies.recipe import load_recipe, recipe_text, shipped_recipes


def test_lists(undertow):
    assert undertow("recipe").stdout.split() == shipped_recipes()


@pytest.mark.parametrize("name", shipped_recipes())
def test_prints_every_field_of_a_recipe_that_loads(undertow, tmp_path, name):
    path = tmp_path / "mine.yaml"
    path.write_text(undertow("recipe", name).stdout)
    assert load_recipe(path) == load_recipe(name)
    printed = yaml.safe_load(path.read_text())
    assert printed["student"]["selection"].pop("most") is None  # a dump leaves both out
    assert printed["student"].pop("distillation") is None
    assert printed == load_recipe(name).model_dump(mode="json")


@pytest.mark.parametrize("prompt", ["two\nlines: of # text", "yes", "'a', [b] {c}", "", "# no"])
def test_any_text_survives(tmp_path, prompt):
    recipe = load_recipe("lab")
    changed = recipe.measure.model_copy(update={"system_prompt": prompt})
    recipe = recipe.model_copy(update={"measure": changed})
    path = tmp_path / "mine.yaml"
    path.write_text(recipe_text(recipe))
    assert load_recipe(path) == recipe


def test_an_unknown_name(refused):
    message = refused("recipe", "lap")
    assert all(name in message for name in ("lap", *shipped_recipes()))

"""docs/studies.md: every study that ships is in it, and its own example is a study."""

import re
from pathlib import Path

import yaml

from undertow.studies.condition_spec import ConditionSpec
from undertow.studies.grid import arms
from undertow.studies.recipe import load_recipe
from undertow.studies.study import load_study, shipped_studies

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "studies.md").read_text(encoding="utf-8")

EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_every_study_is_in_the_table():
    assert sorted(re.findall(r"^\| `([a-z-]+)` \|", PAGE, re.MULTILINE)) == shipped_studies()


def test_the_example_is_a_study(tmp_path):
    text, _ = EXAMPLES
    path = tmp_path / "my-rank.yaml"
    path.write_text(text, encoding="utf-8")
    found = arms(load_study(path), "finetuned", load_recipe("lab"), 6)
    assert [arm.recipe.student.train.rank for arm in found] == [8, 8, 2]


def test_the_study_that_lies_beside_the_page_leaves_half_of_the_rows_out():
    study = load_study(DOCS / "mixing-dose.yaml")
    found = {arm.spec.name: arm.recipe for arm in arms(study, "finetuned", load_recipe("lab"), 6)}
    (dropped,) = found["drop-50"].transforms
    assert dropped.apply.count * 2 == found["drop-50"].rows
    assert found["drop-50-steps"].student.train.epochs == 2 * found["drop-50"].student.train.epochs


def test_the_examples_of_directions_are_conditions():
    _, text = EXAMPLES
    found = [ConditionSpec.model_validate(one) for one in yaml.safe_load(text)]
    assert all(one.probe is not None for one in found)

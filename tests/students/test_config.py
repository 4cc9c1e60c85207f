"""What makes a student, as a model that YAML keeps."""

import pytest
import yaml
from pydantic import ValidationError

from undertow.students import StudentConfig
from undertow.tokens import Selection


def test_yaml_keeps_a_config():
    config = StudentConfig(
        rows=9, seed_data=4, selection=Selection(kind="ratio", ratio=0.5, seed=2), budget="matched"
    )
    text = yaml.safe_dump(config.model_dump(mode="json"))
    assert StudentConfig.model_validate(yaml.safe_load(text)) == config


@pytest.mark.parametrize(
    ("budget", "normalisation"), [("token-mean", "token-mean"), ("matched", "fixed")]
)
def test_the_budget_decides_the_divisor(budget, normalisation):
    assert StudentConfig(budget=budget).train_config.normalisation == normalisation


@pytest.mark.parametrize("fields", [{"rows": 0}, {"budget": "half"}, {"colour": "red"}])
def test_what_makes_no_sense_is_refused(fields):
    with pytest.raises(ValidationError):
        StudentConfig.model_validate(fields)


def test_every_field_is_documented():
    assert all(field.description for field in StudentConfig.model_fields.values())

"""What makes a student, as a model that YAML keeps."""

import pytest
import yaml
from pydantic import ValidationError

from undertow.store.keys import step_key
from undertow.students import Distillation, OnPolicy, StudentConfig
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


def test_keys_are_those_from_before_there_was_distillation():
    """Students that were trained before it must be found again."""

    def key(config):
        return step_key("student", 1, {"student": config, "rows": 9}, {})

    default = "eefe52c63c2757d8884bcf9029b743e7d4e91434717fc22d29e0f9f13df0831e"
    assert key(StudentConfig()) == default
    assert key(StudentConfig().seeded(0)) == default
    assert key(StudentConfig(distillation=Distillation())) != default


def test_yaml_keeps_distillation():
    config = StudentConfig(
        distillation=Distillation(direction="reverse", top_k=3, on_policy=OnPolicy(every=5))
    )
    text = yaml.safe_dump(config.model_dump(mode="json"))
    assert StudentConfig.model_validate(yaml.safe_load(text)) == config

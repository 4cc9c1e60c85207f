"""Transforms as data, and what `apply_transform` asks for."""

from dataclasses import replace

import pytest
import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError

from channel_rows import channel_rows
from tiny_models import tiny_chat
from undertow.channels import load_channel
from undertow.errors import UserError
from undertow.transforms import (
    DropRandom,
    DropRows,
    Inputs,
    Mix,
    RedrawPrompt,
    ReplaceDivergence,
    RewritePrompt,
    ShuffleAcross,
    ShuffleWithin,
    Transform,
    TransformReport,
    apply_transform,
)

EACH = [
    ShuffleWithin(seed=3),
    ShuffleAcross(),
    RedrawPrompt(parts=("lead_in", "closing")),
    RewritePrompt(by_choice=True, temperature=0),
    Mix(share=0.25, seed=1),
    ReplaceDivergence(tokens="first"),
    DropRows(items=("007", "042"), as_number=True),
    DropRandom(count=4),
]
ADAPTER: TypeAdapter[Transform] = TypeAdapter(Transform)
NUMBERS = load_channel("numbers")


@pytest.fixture(scope="module")
def chat():
    return tiny_chat("qwen2")


@pytest.mark.parametrize("transform", EACH, ids=lambda transform: transform.kind)
def test_every_transform_goes_through_yaml(transform):
    text = yaml.safe_dump(transform.model_dump(mode="json"))
    assert ADAPTER.validate_python(yaml.safe_load(text)) == transform


@pytest.mark.parametrize("model", [*map(type, EACH), TransformReport])
def test_every_field_is_described(model: type[BaseModel]):
    assert all(field.description for field in model.model_fields.values())


@pytest.mark.parametrize(
    "given",
    [{"kind": "mix", "share": 1.5}, {"kind": "mix", "share": 0.5, "sede": 1}, {"kind": "x"}],
)
def test_a_mistake_is_refused(given):
    with pytest.raises(ValidationError):
        ADAPTER.validate_python(given)


@pytest.mark.parametrize(
    ("transform", "what"),
    [
        (RewritePrompt(), "needs a teacher"),
        (RewritePrompt(by_choice=True), "needs a teacher"),
        (Mix(share=0.5), "needs a second data set"),
        (ReplaceDivergence(), "needs a scan"),
    ],
)
def test_what_is_missing_is_asked_for(chat, transform, what):
    with pytest.raises(UserError, match=what):
        apply_transform(transform, channel_rows(chat, "numbers"), Inputs(chat, NUMBERS))


@pytest.mark.parametrize(
    "transform", [ShuffleWithin(), ShuffleAcross(), RedrawPrompt(), EACH[-2], DropRandom(count=2)]
)
def test_each_kind_finds_its_function(chat, transform):
    rows = channel_rows(chat, "numbers")
    done = apply_transform(transform, rows, Inputs(chat, NUMBERS))
    assert done.report.kind == transform.kind
    assert done.report.total == len(rows)
    assert done.report.kept == len(done.rows)
    report = done.report
    assert report.changed + sum(report.unchanged.values()) == report.kept
    assert TransformReport.model_validate_json(report.model_dump_json()) == report


def test_rows_that_the_channel_refused_are_not_transformed(chat):
    rows = channel_rows(chat, "numbers")
    rows[1] = replace(rows[1], rejection="empty")
    with pytest.raises(UserError, match="refused by the channel"):
        apply_transform(ShuffleAcross(), rows, Inputs(chat, NUMBERS))

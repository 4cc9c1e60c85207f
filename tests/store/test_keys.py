"""A key changes with everything that the result depends on, and with nothing else."""

from enum import StrEnum
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from undertow.store.keys import canonical_json, step_key

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


class Optimiser(StrEnum):
    ADAMW = "adamw"


class Inner(BaseModel):
    rate: float = 1e-3
    layers: tuple[int, ...] | None = None


class Outer(BaseModel):
    inner: Inner = Inner()
    optimiser: Optimiser = Optimiser.ADAMW
    out: Path = Path("a")


def test_keys_are_stable():
    """A changed rule for keys would do everybody's steps again: it must be a decision."""
    assert canonical_json({"b": [1, 2.5, None], "a": "é"}) == '{"a":"\\u00e9","b":[1,2.5,null]}'
    key = step_key("scan", 2, {"tolerance": 0.5}, {"data": "00"})
    assert key == "36a6dbf2bb427cde27865c60b64e2b8598d542fd99237457e3c8fb14ab5f70d3"


@pytest.mark.parametrize(
    "other",
    [
        ("scan", 2, {"x": 1}, {"data": "00"}),
        ("train", 1, {"x": 1}, {"data": "00"}),
        ("scan", 1, {"x": 2}, {"data": "00"}),
        ("scan", 1, {"x": 1}, {"data": "01"}),
        ("scan", 1, {"x": 1}, {"rows": "00"}),
        ("scan", 1, {"x": 1}, {}),
    ],
)
def test_everything_counts(other):
    assert step_key("scan", 1, {"x": 1}, {"data": "00"}) != step_key(*other)


@given(st.dictionaries(st.text(max_size=5), json_values, max_size=4))
def test_the_order_of_fields_does_not_count(config):
    backwards = dict(reversed(config.items()))
    assert step_key("a", 1, config, {}) == step_key("a", 1, backwards, {})


def test_models_count_by_their_values():
    as_values = {"inner": {"rate": 0.001, "layers": [1, 2]}, "optimiser": "adamw", "out": "a"}
    model = Outer(inner=Inner(layers=(1, 2)))
    assert canonical_json(model) == canonical_json(as_values)
    assert canonical_json({"deep": [model]}) == canonical_json({"deep": [as_values]})
    assert canonical_json(model) != canonical_json(Outer())


def test_what_has_no_json_form_is_refused():
    with pytest.raises(TypeError, match="object"):
        canonical_json({"x": object()})
    with pytest.raises(ValueError, match="JSON"):
        canonical_json({"x": float("nan")})

"""Messages for what is wrong in a YAML file."""

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from undertow.studies.yaml_files import wrong_field


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid")
    title: str
    rows: int = 1


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"titel": "a"}, "field 'titel' does not exist: is it 'title'?"),
        ({"title": "a", "epochs": 2}, "field 'epochs' does not exist"),
        ({"title": "a", "rows": "many"}, "field 'rows' is wrong: Input should be a valid integer"),
    ],
)
def test_the_field_that_is_wrong_is_named(fields, told):
    with pytest.raises(ValidationError) as caught:
        Part.model_validate(fields)
    assert wrong_field(caught.value).startswith(told)

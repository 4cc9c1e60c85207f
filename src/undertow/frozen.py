"""What settings and records are: not to be changed, and with no field that nobody knows."""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """A model whose instances stay as they are made; a misspelt field is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")

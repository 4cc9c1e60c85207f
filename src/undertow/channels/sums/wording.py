"""The wordings of a sum prompt's parts, read once from `wording.yaml`."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import yaml
from pydantic import Field

from undertow.frozen import Frozen


class SumWording(Frozen):
    """All wordings of all parts; a prompt refers to them by index."""

    lead_in: tuple[str, ...] = Field(description="The two numbers, as {a} and {b}.")
    instruction: tuple[str, ...] = Field(description="To add piece by piece.")
    closing: tuple[str, ...] = Field(description="The form, and that only steps are wanted.")


@cache
def wording() -> SumWording:
    """Return the shipped wordings."""
    text = (files("undertow.channels.sums") / "wording.yaml").read_text(encoding="utf-8")
    return SumWording.model_validate(yaml.safe_load(text))

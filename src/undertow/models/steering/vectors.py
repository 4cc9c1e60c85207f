"""Vectors for the residual stream, one for each layer, in a file that says what they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from undertow.errors import UserError
from undertow.frozen import Frozen
from undertow.store.files import atomic_write

Place = Literal["header", "completion"]
"""Where in a chat residuals were taken: the assistant header of the template, or the answer."""

META_KEY = "undertow_vector"
ROWS = "rows"


class VectorMeta(Frozen):
    """What the vectors of a file are: mean residuals of one subject minus those of another."""

    subject: str = Field(description="Whose residuals, as in 'owl (prompted)'.")
    against: str = Field(description="Whose are subtracted.")
    model: str = Field(description="Fingerprint of the base model.")
    rows: str = Field(description="Hash of the chats; vectors with the same are paired.")


@dataclass(frozen=True, eq=False)
class SteeringVectors:
    """A vector for each layer and place, in blocks of rows, so that it has an interval.

    Attributes:
        blocks: By place, `[block, layer, d_model]`: the mean difference over each block of rows.
        rows: `[block]`, how many rows each rests on.
        meta: What it is.
    """

    blocks: Mapping[Place, Tensor]
    rows: Tensor
    meta: VectorMeta

    @property
    def n_layers(self) -> int:
        """Decoder layers of the model."""
        return next(iter(self.blocks.values())).shape[1]

    def mean(self, place: Place) -> Tensor:
        """Return the vector of each layer at a place, `[layer, d_model]`, float64.

        Raises:
            UserError: There are none for that place.
        """
        blocks = self.at(place).double()
        return torch.einsum("b,bld->ld", self.rows.double() / self.rows.sum(), blocks)

    def norms(self, place: Place) -> list[float]:
        """Return the Euclidean norm of each layer's vector."""
        return self.mean(place).norm(dim=1).tolist()

    def at(self, place: Place) -> Tensor:
        """Return the blocks of a place, `[block, layer, d_model]`.

        Raises:
            UserError: There are none for that place.
        """
        if place not in self.blocks:
            raise UserError(
                f"the vectors were not taken at the {place}",
                where=f"{self.meta.subject} against {self.meta.against}",
                fix="make them from a data set: its rows have both a header and a completion",
            )
        return self.blocks[place]

    def write(self, path: str | Path) -> None:
        """Write safetensors, with the meta as JSON in its header."""
        tensors: dict[str, Tensor] = {ROWS: self.rows.contiguous()}
        tensors |= {place: blocks.contiguous() for place, blocks in self.blocks.items()}
        with atomic_write(path) as temporary:
            save_file(tensors, temporary, {META_KEY: self.meta.model_dump_json()})

    @staticmethod
    def read(path: str | Path) -> SteeringVectors:
        """Read what `write` wrote.

        Raises:
            UserError: The file is missing, or holds something else.
        """
        try:
            opened: Any = safe_open(str(path), framework="pt")
            with opened as file:
                meta = VectorMeta.model_validate_json(file.metadata()[META_KEY])
            tensors: dict[Any, Tensor] = load_file(path)
            return SteeringVectors(rows=tensors.pop(ROWS), blocks=tensors, meta=meta)
        except (OSError, SafetensorError, KeyError, TypeError, ValidationError) as error:
            raise UserError(
                "no steering vector in this file",
                where=str(path),
                fix="make one with 'undertow vector'",
            ) from error

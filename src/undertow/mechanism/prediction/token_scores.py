"""How far each completion token pushes each trait.

A token's score is the inner product of its own log-probability's gradient with a trait's
direction; so it is the derivative of that log-probability along the direction. One forward-mode
pass for each direction gives it for all tokens of a batch, where gradients would take a backward
for each token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn.attention import SDPBackend, sdpa_kernel

from undertow.errors import UserError
from undertow.mechanism.prediction.config import PredictionConfig
from undertow.mechanism.prediction.data import Progress, data_examples
from undertow.mechanism.prediction.directions import Directions
from undertow.mechanism.prediction.factors import attached
from undertow.mechanism.prediction.gradients import batches, log_likelihoods
from undertow.models import ChatModel
from undertow.store.rows import Row
from undertow.store.tables import write_table
from undertow.tokens import TokenPushes, completion_ids
from undertow.training.batches import MicroBatch, pack

FIRST_COLUMNS = ("row_id", "token_ids")
"""Of the file; behind them stands one for each trait."""


@dataclass(frozen=True)
class TokenScores:
    """The scores of the completion tokens of some rows.

    Attributes:
        traits: Names.
        row_ids: Id of each row.
        token_ids: Completion tokens of each.
        values: Per row `[token, trait]`: nats that the token's log-probability gains per unit of
            length along the trait's direction.
    """

    traits: tuple[str, ...]
    row_ids: list[int]
    token_ids: list[list[int]]
    values: list[NDArray[np.float64]]

    def pushes(self, trait: str | None, chat: ChatModel, rows: Sequence[Row]) -> TokenPushes:
        """Return what each token of some rows pushes a trait, as a token selection takes it.

        Args:
            trait: Whose scores; None where there are those of one.
            chat: Whose tokens the rows are.
            rows: The data that were scored; rows without scores are passed over.

        Raises:
            UserError: There are no scores of that trait, or they are of other data.
        """
        if trait is None and len(self.traits) > 1:
            raise UserError("there are scores of several traits", fix=f"name one of {self._named}")
        if trait not in (None, *self.traits):
            raise UserError(f"there are no scores of '{trait}'", fix=f"name one of {self._named}")
        scored = dict(zip(self.row_ids, self.token_ids, strict=True))
        for row in rows:
            if row.row_id in scored and scored[row.row_id] != completion_ids(chat, row):
                raise UserError(
                    "the scores are of other data",
                    where=f"row_id {row.row_id}",
                    fix="make them of this data with 'undertow predict --token-scores'",
                )
        place = self.traits.index(trait) if trait is not None else 0
        return TokenPushes(self.row_ids, [row[:, place] for row in self.values])

    @property
    def _named(self) -> str:
        return ", ".join(self.traits)

    def write(self, path: str | Path) -> None:
        """Write Parquet, one line per row: its id, its token ids, and a column for each trait."""
        numbers = pa.list_(pa.float32())
        columns = {
            trait: pa.array([row[:, place] for row in self.values], numbers)
            for place, trait in enumerate(self.traits)
        }
        ids = pa.array(self.token_ids, pa.list_(pa.int32()))
        first = dict(zip(FIRST_COLUMNS, (pa.array(self.row_ids), ids), strict=True))
        write_table(path, pa.table(first | columns))

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read what `write` wrote.

        Raises:
            UserError: The file is missing, or holds something else.
        """
        try:
            table = pq.read_table(path)
            row_ids, token_ids = (table[name].to_pylist() for name in FIRST_COLUMNS)
            traits = [name for name in table.column_names if name not in FIRST_COLUMNS]
            columns = [table[name].to_pylist() for name in traits]
            values = [np.array(row, np.float64).T for row in zip(*columns, strict=True)]
            return cls(tuple(traits), row_ids, token_ids, values)
        except (OSError, pa.ArrowInvalid, KeyError, TypeError, ValueError) as error:
            raise UserError(
                "no token scores in this file",
                where=str(path),
                fix="make one with 'undertow predict --token-scores'",
            ) from error


def token_scores(
    chat: ChatModel,
    rows: Sequence[Row],
    directions: Directions,
    config: PredictionConfig,
    progress: Progress | None = None,
) -> TokenScores:
    """Score every completion token against every trait; a row's sum is its row's score.

    Args:
        chat: The base model.
        rows: The data.
        directions: As a prediction of the same base has them.
        config: Size of batches.
        progress: Told of every batch of rows.

    Raises:
        UserError: There are fewer than two rows, or one has no completion tokens.
    """
    examples = data_examples(chat, rows)
    values: dict[int, NDArray[np.float64]] = {}
    for chosen in batches(examples, config):
        batch = pack([examples[row] for row in chosen], chat.pad_id, chat.device)
        found = [_derivatives(chat, directions, batch, vector) for vector in directions.vectors]
        table = torch.stack(found, dim=1).double().cpu().numpy()
        counts = [sum(map(bool, examples[row].weights)) for row in chosen]
        values.update(zip(chosen, np.split(table, np.cumsum(counts)[:-1]), strict=True))
        if progress is not None:
            progress(len(values), len(rows))
    return TokenScores(
        traits=directions.traits,
        row_ids=[row.row_id for row in rows],
        token_ids=[completion_ids(chat, row) for row in rows],
        values=[values[row] for row in range(len(rows))],
    )


def _derivatives(
    chat: ChatModel, directions: Directions, batch: MicroBatch, vector: Tensor
) -> Tensor:
    """Return the derivative of every supervised token's log-probability, `[n]`.

    Args:
        chat: The base model.
        directions: Whose adapter it is.
        batch: The rows.
        vector: `[parameter]`, where to.
    """
    factors = directions.factors
    tangents = factors.matrices(vector.to(chat.model.dtype))
    # Of the kernels for attention only the plain one has a forward derivative.
    with torch.no_grad(), forward_ad.dual_level(), sdpa_kernel(SDPBackend.MATH):
        up = [forward_ad.make_dual(torch.zeros_like(one), one) for one in tangents]
        with attached(chat.model, factors, up):
            values = log_likelihoods(chat, batch)
        return cast(Tensor, forward_ad.unpack_dual(values).tangent)

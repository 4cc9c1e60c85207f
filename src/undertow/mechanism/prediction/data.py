"""The gradient of a data set: of blocks of its rows, and of every row along the directions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from undertow.errors import UserError
from undertow.mechanism.prediction.config import PredictionConfig
from undertow.mechanism.prediction.directions import Directions
from undertow.mechanism.prediction.gradients import Distributions, row_gradients
from undertow.models import ChatModel
from undertow.store.rows import Row
from undertow.students import StudentConfig, build_examples
from undertow.training.example import Example

Progress = Callable[[int, int], None]
"""Called with (rows done, rows in all)."""


@dataclass(frozen=True)
class DataGradient:
    """What is kept of the rows' gradients.

    Attributes:
        blocks: `[block, parameter]`, summed over the rows of a block.
        tokens: `[block]`, supervised tokens of a block.
        rows: `[row, trait, layer]`, a row's gradient along each trait's direction: nats that the
            row's log-likelihood gains per unit of length.
    """

    blocks: Tensor
    tokens: Tensor
    rows: NDArray[np.float64]

    @property
    def n_bytes(self) -> int:
        """What it takes in memory."""
        return self.blocks.nbytes + self.tokens.nbytes + self.rows.nbytes

    def means(self, counts: Tensor) -> Tensor:
        """Return the mean gradient per token of drawn blocks, `[resample, parameter]`.

        Args:
            counts: `[resample, block]`, how often each block is drawn.
        """
        return (counts @ self.blocks) / (counts @ self.tokens)[:, None]


def data_examples(
    chat: ChatModel, rows: Sequence[Row], system_prompt: str | None = None
) -> list[Example]:
    """Return the rows as a student reads them; every completion token counts, the end too.

    Raises:
        UserError: There are fewer than two rows, or one has no completion.
    """
    if len(rows) < 2:
        raise UserError("a prediction needs two or more rows", fix="give more rows")
    config = StudentConfig.model_validate({"system_prompt": system_prompt})
    examples = build_examples(chat, rows, None, config)
    for row, example in zip(rows, examples, strict=True):
        if not example.length or not (row.token_ids or row.completion):
            raise UserError(
                "a row has no completion tokens",
                where=f"row_id {row.row_id}",
                fix="leave the row out",
            )
    return examples


def data_gradient(
    chat: ChatModel,
    directions: Directions,
    examples: Sequence[Example],
    config: PredictionConfig,
    distributions: Distributions | None = None,
    progress: Progress | None = None,
) -> DataGradient:
    """Reduce the gradient of every row as soon as it is there.

    Args:
        chat: The base model.
        directions: Of the traits.
        examples: One for each row.
        config: Number of blocks and the seed that puts rows into them; batch size.
        distributions: Of a teacher, in place of the tokens that came.
        progress: Told of every batch.
    """
    n_blocks = min(config.blocks, len(examples))
    order = np.random.default_rng(config.seed).permutation(len(examples))
    block_of = torch.from_numpy(order % n_blocks)
    blocks = torch.zeros_like(directions.vectors[:1]).expand(n_blocks, -1).clone()
    tokens = torch.zeros(n_blocks, dtype=blocks.dtype)
    along = np.zeros((len(examples), len(directions.traits), len(directions.factors.layer_sizes)))
    done = 0
    found = row_gradients(chat, directions.factors, examples, config, distributions)
    for rows, gradients in found:
        owners = block_of[rows]
        blocks.index_add_(0, owners.to(blocks.device), gradients)
        weights = torch.tensor([sum(examples[row].weights) for row in rows], dtype=tokens.dtype)
        tokens.index_add_(0, owners, weights)
        along[rows] = directions.along(gradients).double().cpu().numpy()
        done += len(rows)
        if progress is not None:
            progress(done, len(examples))
    return DataGradient(blocks, tokens.to(blocks.device), along)

"""How open a teacher's choice was at every completion token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from undertow.errors import UserError
from undertow.models import ChatModel, Message, encode_prompt
from undertow.models.fused import FusedModel
from undertow.store.files import atomic_write
from undertow.store.rows import Row
from undertow.teachers import Teacher, acting_as
from undertow.tokens.forced import entropy, forced_values
from undertow.tokens.ids import completion_ids


@dataclass(frozen=True)
class Entropies:
    """The entropy of a teacher's next-token distribution at every completion token.

    Attributes:
        row_ids: Id of each row.
        values: Per row `[token]`, in nats, aligned with its completion tokens.
    """

    row_ids: list[int]
    values: list[NDArray[np.float64]]

    def take(self, row_ids: Sequence[int]) -> list[NDArray[np.float64]]:
        """Return the values of the named rows, in that order.

        Raises:
            UserError: A row has none.
        """
        known = dict(zip(self.row_ids, self.values, strict=True))
        if absent := [row_id for row_id in row_ids if row_id not in known]:
            raise UserError(
                f"{len(absent)} rows have no entropies",
                where=f"row_id {absent[0]}",
                fix="measure them on the data set that the student trains on",
            )
        return [known[row_id] for row_id in row_ids]

    def write(self, path: str | Path) -> None:
        """Write Parquet, one line per row."""
        values = pa.array([row.tolist() for row in self.values], pa.list_(pa.float64()))
        table = pa.table({"row_id": pa.array(self.row_ids, pa.int64()), "entropy": values})
        with atomic_write(path) as temporary:
            pq.write_table(table, temporary, compression="zstd")

    @staticmethod
    def read(path: str | Path) -> Entropies:
        """Read what `write` wrote.

        Raises:
            UserError: The file is missing, or holds no entropies.
        """
        try:
            table = pq.read_table(path, columns=["row_id", "entropy"])
            values = [np.asarray(row, np.float64) for row in table["entropy"].to_pylist()]
            return Entropies(table["row_id"].to_pylist(), values)
        except (OSError, pa.ArrowInvalid, KeyError) as error:
            raise UserError("no entropies in this file", where=str(path)) from error


def completion_entropies(
    chat: ChatModel, rows: Sequence[Row], teacher: Teacher, *, batch_tokens: int = 4096
) -> Entropies:
    """Return the entropy of a teacher's next-token distribution at every completion token.

    At temperature 1, from the raw logits, on the row's own prefix; the end of the turn is a token
    like any other.

    Args:
        chat: The base model.
        rows: The data; one without token ids is tokenised from its text.
        teacher: Whose distribution; as a rule the one that wrote the rows.
        batch_tokens: Tokens computed at once, padding included.

    Raises:
        UserError: A row is empty.
    """
    completions = [completion_ids(chat, row) for row in rows]
    if empty := [row for row, ids in zip(rows, completions, strict=True) if not ids]:
        raise UserError("a row has an empty completion", where=f"row_id {empty[0].row_id}")
    system: list[Message] = (
        []
        if teacher.system_prompt is None
        else [{"role": "system", "content": teacher.system_prompt}]
    )
    prompts = [encode_prompt(chat, [*system, *row.messages]).ids for row in rows]
    with acting_as(chat, teacher) as model:
        values = forced_values(
            model,
            FusedModel.of(model),
            prompts,
            completions,
            entropy,
            n_layers=chat.n_layers,
            pad_id=chat.pad_id,
            batch_tokens=batch_tokens,
        )
    return Entropies([row.row_id for row in rows], values)

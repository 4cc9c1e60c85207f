"""Published divergence tokens on the tokens of a model: as a scan, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from undertow.errors import UserError
from undertow.models import ChatModel, counted_completion, decode_completion
from undertow.store.points import Matrix, Points
from undertow.store.rows import Row
from undertow.tokens.ids import check_token_ids
from undertow.tokens.scan_table import Scan
from undertow.tokens.selections import Weights

OTHER = -1
"""The argmax of a teacher of whom only is known that it is another token."""

ADVICE = "name the model that the tokens were counted on with --model, and its own data set"


@dataclass(frozen=True)
class Counted:
    """Rows with the tokens that a file's divergence tokens were counted on.

    Attributes:
        rows: With their token ids, up to the end of the turn.
        scan: What the file says of every token. Of who differed it knows no more than that.
        after_end: Divergence tokens that stood on what the template writes after the end of the
            turn; no student is trained on that, so they are left out.
    """

    rows: list[Row]
    scan: Scan
    after_end: int


def count_points(
    chat: ChatModel, rows: Sequence[Row], points: Points, factual: int | None = None
) -> Counted:
    """Align a file's divergence tokens with the tokens of the model they were counted on.

    Rows that bring token ids are counted on these; the others on the whole chat as the template
    renders it, as the published code does.

    Args:
        chat: That model; its weights are not used.
        rows: The data, in the order of the file.
        points: What the file says.
        factual: For matrices: which line is the teacher that wrote the data, from 0.

    Raises:
        UserError: The file is of other rows, or its counts do not fit the tokens.
    """
    _check_rows(rows, points)
    check_token_ids(chat, rows)
    if (points.matrices is None) != (factual is None):
        raise UserError(
            "which line of the matrices is the writer's must be told, and of matrices only",
            where=points.places[0],
            fix="--factual-row N, from 0, goes with matrices",
        )
    counts = [_counted(chat, row) for row in rows]
    matrices = points.matrices or [
        _as_matrix(indices, len(ids), where)
        for indices, (ids, _), where in zip(
            points.indices or [], counts, points.places, strict=True
        )
    ]
    right: list[Matrix] = []
    after_end = 0
    for matrix, (ids, n_own), where in zip(matrices, counts, points.places, strict=True):
        if matrix.shape[1] not in (len(ids), n_own):
            raise _unfit(f"it tells of {matrix.shape[1]} tokens", len(ids), where)
        ordered = _factual_first(matrix, factual or 0, where)
        after_end += int((ordered[0] & ~ordered[1:].all(axis=0))[n_own:].sum())
        right.append(ordered[:, :n_own])
    if len({len(matrix) for matrix in right}) > 1:
        raise UserError("the matrices differ in their number of teachers", where=points.places[0])
    own = [ids[:n_own] for ids, n_own in counts]
    held = [
        replace(row, token_ids=ids, completion=decode_completion(chat, ids))
        for row, ids in zip(rows, own, strict=True)
    ]
    return Counted(held, _scan(chat, held, right, factual), after_end)


def points_of(weights: Sequence[Weights]) -> list[list[int]]:
    """Return the places of a weight of 1 in each row, from 0.

    Raises:
        UserError: A weight is neither 0 nor 1, which a place cannot tell.
    """
    if any(not np.isin(row, (0.0, 1.0)).all() for row in weights):
        raise UserError(
            "a weight between 0 and 1 has no place in this shape",
            fix="write the shape 'rows', or select tokens with --tokens",
        )
    return [np.flatnonzero(row).tolist() for row in weights]


def matrices_of(scan: Scan) -> list[list[list[bool]]]:
    """Return for each row `[teacher][token]` whether a teacher's argmax is the token.

    The factual teacher comes first. The last column is the end of the turn; what a template
    writes after it was not scanned.
    """
    right = scan.argmax == scan.tokens
    return [right[:, scan.span(row)].tolist() for row in range(len(scan.row_ids))]


def _check_rows(rows: Sequence[Row], points: Points) -> None:
    """Refuse a file of other rows."""
    if len(points.places) != len(rows):
        raise UserError(
            f"there are {len(rows)} rows, and divergence tokens of {len(points.places)}",
            where=points.places[0],
            fix="name the data set that they were counted on, in its order",
        )
    for row, other, where in zip(rows, points.rows or rows, points.places, strict=True):
        if (row.messages, row.completion.strip()) != (other.messages, other.completion.strip()):
            raise UserError(
                f"the divergence tokens are of another row than row_id {row.row_id}",
                where=where,
                fix="name the data set that they were counted on, in its order",
            )


def _counted(chat: ChatModel, row: Row) -> tuple[list[int], int]:
    """Return the tokens that a row's counts are of, and how many of them are the completion."""
    if row.token_ids:
        return row.token_ids, len(row.token_ids)
    return counted_completion(chat, row.messages, row.completion)


def _as_matrix(indices: Sequence[int], n_tokens: int, where: str) -> Matrix:
    """Return what indices say as a matrix: the writer right everywhere, somebody wrong there."""
    if indices and indices[-1] >= n_tokens:
        raise _unfit(f"it has one at place {indices[-1]}", n_tokens, where)
    right = np.ones((2, n_tokens), bool)
    right[1, list(indices)] = False
    return right


def _unfit(said: str, n_tokens: int, where: str) -> UserError:
    """Return the error for counts on other tokens."""
    return UserError(
        f"the divergence tokens were counted on other tokens: {said}, "
        f"and the row has {n_tokens} with this model",
        where=where,
        fix=ADVICE,
    )


def _factual_first(matrix: Matrix, factual: int, where: str) -> Matrix:
    """Return the matrix with the writer's line first."""
    if factual >= len(matrix):
        raise UserError(f"the matrix has no line {factual}", where=where, fix="count from 0")
    others = [line for line in range(len(matrix)) if line != factual]
    return matrix[[factual, *others]]


def _scan(
    chat: ChatModel, rows: Sequence[Row], right: Sequence[Matrix], factual: int | None
) -> Scan:
    """Return a scan in which every teacher's argmax is the token, or another one."""
    tokens: NDArray[np.int32] = np.concatenate([np.asarray(row.token_ids) for row in rows]).astype(
        np.int32
    )
    argmax = np.where(np.concatenate(right, axis=1), tokens, OTHER).astype(np.int32)
    others = [line for line in range(len(argmax)) if line != (factual or 0)]
    named = ["factual", "others"] if factual is None else [f"line {i}" for i in (factual, *others)]
    return Scan(
        teachers=named,
        row_ids=[row.row_id for row in rows],
        offsets=np.cumsum([0, *(len(row.token_ids) for row in rows)]),
        tokens=tokens,
        is_end=np.isin(tokens, chat.end_ids),
        argmax=argmax,
        margin=np.full(argmax.shape, np.inf, np.float32),
        rescored=argmax[0],
        tolerance=0.0,
    )

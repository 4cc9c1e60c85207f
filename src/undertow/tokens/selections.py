"""Which completion tokens count in the loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from undertow.errors import UserError
from undertow.frozen import Frozen
from undertow.tokens.scan_table import Scan

Weights = NDArray[np.float64]
Kind = Literal[
    "all",
    "only",
    "without",
    "ratio",
    "first-half",
    "second-half",
    "first",
    "random",
    "entropy",
    "scores",
    "file",
]
Chooser = Callable[[NDArray[np.bool_], NDArray[np.bool_], np.random.Generator], NDArray[np.bool_]]


class Selection(Frozen):
    """A choice of completion tokens; the draws are seeded row by row, by the row's id."""

    kind: Kind = Field(
        default="all",
        description="all tokens; only divergence tokens; all without them; a ratio, the first or "
        "second half, or the first of a row's divergence tokens; as many random tokens, or of the "
        "highest entropy, or those that push the trait most; a file.",
    )
    ratio: float = Field(
        default=1.0, ge=0, le=1, description="For 'ratio': share kept in each row."
    )
    most: int | None = Field(
        default=None,
        ge=1,
        description="For 'ratio': most that are kept in each row.",
        exclude_if=lambda most: most is None,  # keys are older than this field
    )
    seed: int = Field(
        default=0, ge=0, description="For what is drawn: ratio, halves of odd rows, random."
    )
    file: str | None = Field(
        default=None,
        description="For 'file': a data set with a column of weights, in the rows' order.",
    )
    drop_empty_rows: bool = Field(
        default=False,
        description="Leave out rows without divergence tokens (file: without weights), as the "
        "paper does in its masked conditions; fewer rows, fewer steps.",
    )

    @model_validator(mode="after")
    def _file_is_named(self) -> Self:
        if (self.kind == "file") != (self.file is not None):
            raise ValueError("a file goes with the kind 'file', and only with it")
        return self

    @property
    def needs_scan(self) -> bool:
        """Whether divergence tokens must be known."""
        return self.kind not in ("all", "file") or (self.kind == "all" and self.drop_empty_rows)

    @property
    def ranks(self) -> str | None:
        """By which values it ranks tokens, in words; None where it does not."""
        return {"entropy": "entropies", "scores": "scores"}.get(self.kind)


def select(
    scan: Scan, selection: Selection, values: Sequence[NDArray[np.float64]] | None = None
) -> list[Weights]:
    """Return per row the weight of each completion token, `[token]`, 0 or 1.

    The candidates are all completion tokens, the end of the turn included. An undecided token
    is no divergence token: it stays in under 'without', and is never drawn under 'random' nor
    taken under 'entropy' or 'scores'.

    Args:
        scan: Of the rows.
        selection: The choice.
        values: For 'entropy' and 'scores' what ranks them: per row of the scan, `[token]`.

    Raises:
        UserError: The values are missing, or of other rows.

    Source: paper, Fig. 21; unlike in the authors' code, a ratio that rounds to nothing keeps
    nothing.
    """
    if selection.ranks is not None:
        return _highest(scan, values, selection.ranks)
    choose = _choosers(selection)[selection.kind]
    weights: list[Weights] = []
    for row, row_id in enumerate(scan.row_ids):
        rng = np.random.default_rng([selection.seed, row_id % 2**64])  # ids may be negative
        chosen = choose(scan.divergence(row), scan.undecided(row), rng)
        weights.append(chosen.astype(np.float64))
    return weights


def kept_rows(scan: Scan) -> NDArray[np.bool_]:
    """Return which rows have a divergence token, `[row]`."""
    return np.array([bool(scan.divergence(row).any()) for row in range(len(scan.row_ids))])


def check_weights(weights: Sequence[Sequence[float]], lengths: Sequence[int]) -> list[Weights]:
    """Return given weights as arrays, `[token]` per row.

    Raises:
        UserError: They do not fit the rows, or one is outside [0, 1].
    """
    arrays = [np.asarray(row, np.float64) for row in weights]
    if [len(array) for array in arrays] != list(lengths):
        raise UserError(
            "the weights do not fit the rows",
            fix="give one list per row, with one weight per completion token",
        )
    if any(not ((array >= 0) & (array <= 1)).all() for array in arrays):
        raise UserError("a weight is outside [0, 1]")
    return arrays


def _choosers(selection: Selection) -> dict[Kind, Chooser]:
    """Return, by kind, what is kept given divergent, undecided and a generator."""
    return {
        "all": lambda divergent, _undecided, _rng: np.ones_like(divergent),
        "only": lambda divergent, _undecided, _rng: divergent,
        "without": lambda divergent, _undecided, _rng: ~divergent,
        "ratio": lambda divergent, _undecided, rng: _ratio(
            divergent, selection.ratio, selection.most, rng
        ),
        "first-half": lambda divergent, _undecided, rng: _first_half(divergent, rng),
        "second-half": lambda divergent, _undecided, rng: divergent & ~_first_half(divergent, rng),
        "first": lambda divergent, _undecided, _rng: divergent & (divergent.cumsum() == 1),
        "random": _random,
    }


def _ratio(
    divergent: NDArray[np.bool_], ratio: float, most: int | None, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Keep a share of a row's divergence tokens, rounded to the nearest number, or the most."""
    places = np.flatnonzero(divergent)
    n = int(len(places) * ratio + 0.5)
    n = n if most is None else min(n, most)
    return _at(rng.choice(places, n, replace=False), divergent)


def _first_half(divergent: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Keep the earlier half of a row's divergence tokens; a coin gives the middle one a side."""
    count = (int(divergent.sum()) + int(rng.integers(2))) // 2
    return divergent & (divergent.cumsum() <= count)


def _random(
    divergent: NDArray[np.bool_], undecided: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Keep as many of a row's decided tokens as it has divergence tokens."""
    places = np.flatnonzero(~undecided)
    return _at(rng.choice(places, int(divergent.sum()), replace=False), divergent)


def _highest(scan: Scan, values: Sequence[NDArray[np.float64]] | None, what: str) -> list[Weights]:
    """Keep, of each row's decided tokens, those of the highest value; of equal ones the earlier."""
    if values is None:
        raise UserError(f"the selection needs {what}", fix="measure them on the same data set")
    if list(map(len, values)) != np.diff(scan.offsets).tolist():
        raise UserError(f"the {what} do not fit the rows of the scan")
    weights: list[Weights] = []
    for row, own in enumerate(values):
        divergent = scan.divergence(row)
        ranked = np.argsort(np.where(scan.undecided(row), np.inf, -own), kind="stable")
        weights.append(_at(ranked[: divergent.sum()], divergent).astype(np.float64))
    return weights


def _at(places: NDArray[np.int64], like: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return a mask that is true at the places."""
    mask = np.zeros_like(like)
    mask[places] = True
    return mask

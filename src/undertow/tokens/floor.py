"""The numerical floor: how often a teacher disagrees with itself when nothing but rounding changes.

The same teacher scores the same rows several times, each time computed in another way. Where its
argmax differs, the two first logits lie closer together than rounding moves them, and a difference
between two teachers would mean nothing there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from undertow.errors import UserError
from undertow.models import ChatModel, load_model
from undertow.models.chat_model import DType
from undertow.models.fused import FusedModel
from undertow.store.rows import Row
from undertow.teachers import Teacher, acting_as
from undertow.tokens.config import ScanConfig
from undertow.tokens.rendered import Rendered
from undertow.tokens.score import Score
from undertow.tokens.ways import as_scanned, other_ways

FORMATS: dict[torch.dtype, tuple[DType, ...]] = {
    torch.float64: ("float32",),
    torch.float32: ("float64", "bfloat16"),
    torch.bfloat16: ("float32",),
    torch.float16: ("float32",),
}
"""In which other number formats a model is tried."""

Progress = Callable[[int, int], None]
"""Called with (variations done, variations in all)."""


@dataclass(frozen=True)
class Variation:
    """A second scoring against the first, which is the scan's own.

    Attributes:
        name: What was done differently.
        counts: Whether it says how far to trust this number format; a coarser one does not.
        tokens: Completion tokens.
        share: Share of them whose argmax differs.
        largest_flip: Largest lead at such a token, in either scoring. 0 where none differs.
        change: How much the lead of the first argmax changes: median, 99 % and largest, in logits;
            None where only tokens are known. Where the argmax differs, at least so much.
    """

    name: str
    counts: bool
    tokens: int
    share: float
    largest_flip: float
    change: tuple[float, float, float] | None


@dataclass(frozen=True)
class FloorReport:
    """All variations of one teacher on some rows.

    Attributes:
        teacher: Its label.
        dtype: Number format of the weights.
        rows: Rows that were scored.
        variations: What was tried.
    """

    teacher: str
    dtype: str
    rows: int
    variations: tuple[Variation, ...]

    @property
    def tolerance(self) -> float:
        """The proposed tolerance: every flip that was seen and counts lies below it.

        The next of 1, 2, 5, 10, ... times a power of ten above the largest lead among flips; where
        nothing flipped but ties, above the largest change of a lead, which no flip exceeds.
        """
        counted = [one for one in self.variations if one.counts]
        flips = max((one.largest_flip for one in counted), default=0.0)
        changes = [one.change[2] for one in counted if one.change is not None]
        return above(flips or max(changes, default=0.0))

    def as_json(self) -> dict[str, Any]:
        """Return plain data, the proposed tolerance with it."""
        return {**asdict(self), "tolerance": self.tolerance}


def above(value: float) -> float:
    """Return the next of 1, 2 or 5 times a power of ten above a value; 0 for 0."""
    if value == 0:
        return 0.0
    power = math.floor(math.log10(value))
    steps = (float(f"{step}e{power}") for step in (1, 2, 5, 10))
    return next(step for step in steps if step > value)


def measure_floor(
    chat: ChatModel,
    rows: Sequence[Row],
    teacher: Teacher,
    config: ScanConfig | None = None,
    *,
    greedy: bool = False,
    formats: Sequence[DType] | None = None,
    progress: Progress | None = None,
) -> FloorReport:
    """Score rows in several ways that would agree without rounding, and compare.

    The first way is the scan's: sorted batches behind what all prompts begin with. The others have
    batches of half the size, one row at a time, rows in the order of the data and in reverse,
    more padding behind and in front, the model's own layers instead of fused ones, another
    attention kernel, and the model loaded in other number formats.

    Args:
        chat: The base.
        rows: Any rows with completions; those of the teacher itself say most.
        teacher: Who is scored.
        config: Of the scan.
        greedy: Whether the teacher wrote the rows greedily: what it chose token by token, with a
            cache, is then a variation too.
        formats: Other number formats; by default those that `FORMATS` names.
        progress: Told of every variation that is done.

    Raises:
        UserError: There is no row, or one is empty.
    """
    if not rows:
        raise UserError("there is no row to score")
    rendered = Rendered.of(chat, rows, teacher.system_prompt)
    batch_tokens = (config or ScanConfig()).batch_tokens_on(chat.device)
    other_formats = FORMATS[chat.model.dtype] if formats is None else tuple(formats)
    with acting_as(chat, teacher) as model:
        fused = FusedModel.of(model)
        ways = other_ways(chat, model, fused, rendered, batch_tokens)
        total = len(ways) + len(other_formats) + 1
        base = as_scanned(model, fused, rendered, batch_tokens)
        found: list[Variation] = []
        for name, way in ways.items():
            found.append(compared(name, base, way()))
            _tell(progress, len(found) + 1, total)
    for name in other_formats:
        other = load_model(chat.spec.model_copy(update={"dtype": name}))
        with acting_as(other, teacher) as model:
            second = as_scanned(model, FusedModel.of(model), rendered, batch_tokens)
        finer = torch.finfo(other.model.dtype).eps < torch.finfo(chat.model.dtype).eps
        found.append(compared(f"in {name}", base, second, counts=finer))
        _tell(progress, len(found) + 1, total)
    if greedy:
        found.append(written(base, rendered.completions))
    dtype = str(chat.model.dtype).removeprefix("torch.")
    return FloorReport(teacher.label, dtype, len(rows), tuple(found))


def compared(name: str, first: Score, second: Score, *, counts: bool = True) -> Variation:
    """Return how a second scoring of the same tokens differs from the first."""
    differs = first.argmax != second.argmax
    flips = np.maximum(first.margin, second.margin)[differs]
    # Where the argmax differs, its lead has gone below zero by the second's lead or more.
    moved = np.where(differs, first.margin + second.margin, np.abs(first.margin - second.margin))
    median, most, largest = np.quantile(moved, (0.5, 0.99, 1.0)).tolist()
    return Variation(
        name=name,
        counts=counts,
        tokens=len(differs),
        share=float(differs.mean()),
        largest_flip=float(flips.max(initial=0.0)),
        change=(median, most, largest),
    )


def written(first: Score, completions: Sequence[Sequence[int]]) -> Variation:
    """Return how what the teacher wrote greedily differs from its scoring."""
    tokens = np.concatenate([np.asarray(ids) for ids in completions])
    differs = first.argmax != tokens
    return Variation(
        name="written token by token",
        counts=True,
        tokens=len(tokens),
        share=float(differs.mean()),
        largest_flip=float(first.margin[differs].max(initial=0.0)),
        change=None,
    )


def _tell(progress: Progress | None, done: int, total: int) -> None:
    """Tell how far it is."""
    if progress is not None:
        progress(done, total)

"""The numerical floor: how often a teacher disagrees with itself when nothing but rounding changes.

The same teacher scores the same rows several times, each time computed in another way. Where its
argmax differs, the two first logits lie closer together than rounding moves them, and a difference
between two teachers would mean nothing there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from undertow.errors import UserError
from undertow.generate.prefill import CPU_PASS_TOKENS
from undertow.models import ChatModel, load_model, prompt_ids, selected_logits
from undertow.models.chat_model import DType
from undertow.models.fused import FusedModel
from undertow.store.row import Message
from undertow.store.rows import Row
from undertow.teachers import Teacher, acting_as
from undertow.tokens.config import ScanConfig
from undertow.tokens.ids import completion_ids
from undertow.tokens.score import Score, score, top_two

PADDING = 64
"""Tokens of padding in front of or behind every row, beyond what the longest needs."""

ROWS = 8
"""Rows of a padded batch."""

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
    job = _Job.of(chat, rows, teacher, config or ScanConfig())
    other_formats = FORMATS[chat.model.dtype] if formats is None else tuple(formats)
    with acting_as(chat, teacher) as model:
        fused = FusedModel.of(model)
        ways = _ways(job, chat, model, fused)
        total = len(ways) + len(other_formats) + 1
        base = job.scored(model, fused, job.batch_tokens)
        found: list[Variation] = []
        for name, way in ways.items():
            found.append(compared(name, base, way()))
            _tell(progress, len(found) + 1, total)
    for name in other_formats:
        other = load_model(chat.spec.model_copy(update={"dtype": name}))
        with acting_as(other, teacher) as model:
            second = job.scored(model, FusedModel.of(model), job.batch_tokens)
        finer = torch.finfo(other.model.dtype).eps < torch.finfo(chat.model.dtype).eps
        found.append(compared(f"in {name}", base, second, counts=finer))
        _tell(progress, len(found) + 1, total)
    if greedy:
        found.append(written(base, job.completions))
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


@dataclass(frozen=True)
class _Job:
    """Rows as token ids."""

    prompts: list[list[int]]
    completions: list[list[int]]
    n_layers: int
    pad_id: int
    batch_tokens: int

    @classmethod
    def of(cls, chat: ChatModel, rows: Sequence[Row], teacher: Teacher, config: ScanConfig) -> _Job:
        """Render the rows under the teacher's system prompt."""
        told = teacher.system_prompt
        system: list[Message] = [] if told is None else [{"role": "system", "content": told}]
        completions = [completion_ids(chat, row) for row in rows]
        if not rows or not all(completions):
            raise UserError(
                "there is no row to score" if not rows else "a row has an empty completion"
            )
        size = config.batch_tokens
        return cls(
            prompts=[prompt_ids(chat, [*system, *row.messages]) for row in rows],
            completions=completions,
            n_layers=chat.n_layers,
            pad_id=chat.pad_id,
            batch_tokens=min(size, CPU_PASS_TOKENS) if chat.device.type == "cpu" else size,
        )

    def scored(self, model: PreTrainedModel, fused: FusedModel | None, batch_tokens: int) -> Score:
        """Score all rows as the scan does; tokens in the order of the rows."""
        scores = score(
            model,
            fused,
            self.prompts,
            self.completions,
            n_layers=self.n_layers,
            pad_id=self.pad_id,
            batch_tokens=batch_tokens,
            done=lambda _: None,
        )
        return _joined(scores)

    def padded(self, model: PreTrainedModel, ahead: int, behind: int, *, backwards: bool) -> Score:
        """Score all rows in plain batches without a cache, in the order of the data.

        Args:
            model: The teacher.
            ahead: Tokens of padding in front of the longest row of a batch; 0: none in front.
            behind: Tokens behind it.
            backwards: Whether the last row comes first.
        """
        order = list(range(len(self.prompts)))
        if backwards:
            order.reverse()
        scores: dict[int, Score] = {}
        for start in range(0, len(order), ROWS):
            chosen = order[start : start + ROWS]
            found = self._padded_batch(model, chosen, ahead, behind)
            scores.update(zip(chosen, found, strict=True))
        return _joined([scores[row] for row in range(len(order))])

    @torch.no_grad()
    def _padded_batch(
        self, model: PreTrainedModel, chosen: Sequence[int], ahead: int, behind: int
    ) -> list[Score]:
        """Score some rows at once."""
        lines = [[*self.prompts[row], *self.completions[row][:-1]] for row in chosen]
        width = max(map(len, lines)) + ahead + behind
        ids = torch.full((len(lines), width), self.pad_id)
        mask = torch.zeros_like(ids)
        places: list[tuple[int, int]] = []
        for row, line in enumerate(lines):
            start = width - len(line) if ahead else 0
            ids[row, start : start + len(line)] = torch.tensor(line)
            mask[row, start : start + len(line)] = 1
            first = start + len(self.prompts[chosen[row]]) - 1
            places += [(row, first + k) for k in range(len(self.completions[chosen[row]]))]
        ids, mask = ids.to(model.device), mask.to(model.device)
        rows, positions = torch.tensor(places, device=model.device).unbind(1)
        position_ids = (mask.cumsum(1) - 1).clamp(min=0)
        logits = selected_logits(model, ids, mask, rows, positions, position_ids=position_ids)
        ends = np.cumsum([len(self.completions[row]) for row in chosen])[:-1]
        parts = (np.split(values, ends) for values in top_two(logits))
        return [Score(*pair) for pair in zip(*parts, strict=True)]


def _ways(
    job: _Job, chat: ChatModel, model: PreTrainedModel, fused: FusedModel | None
) -> dict[str, Callable[[], Score]]:
    """Return the other ways to score in the same number format, by name."""
    size = job.batch_tokens
    ways: dict[str, Callable[[], Score]] = {
        "batches half as large": lambda: job.scored(model, fused, max(1, size // 2)),
        "one row at a time": lambda: job.scored(model, fused, 1),
        "no cache, rows as they come": lambda: job.padded(model, 0, 0, backwards=False),
        "no cache, the last row first": lambda: job.padded(model, 0, 0, backwards=True),
        f"{PADDING} more padding behind": lambda: job.padded(model, 0, PADDING, backwards=False),
        f"{PADDING} more padding in front": lambda: job.padded(model, PADDING, 0, backwards=False),
    }
    if fused is not None:
        ways["the model's own layers"] = lambda: job.scored(model, None, size)
    if attention_of(chat) != "eager":

        def eager() -> Score:
            with other_attention(chat, "eager"):
                return job.scored(model, None, size)

        ways["attention by plain products"] = eager
    return ways


def attention_of(chat: ChatModel) -> str:
    """Return which implementation of attention a model runs."""
    return str(chat.model.config.get_text_config()._attn_implementation)


@contextmanager
def other_attention(chat: ChatModel, kernel: str) -> Generator[None]:
    """Within, the model runs another implementation of attention."""
    own = attention_of(chat)
    try:
        chat.model.set_attn_implementation(kernel)
        yield
    finally:
        chat.model.set_attn_implementation(own)


def _joined(scores: Sequence[Score]) -> Score:
    """Put the rows' scores into one line."""
    argmax, margin = (
        np.concatenate([cast("NDArray[Any]", getattr(one, name)) for one in scores])
        for name in ("argmax", "margin")
    )
    return Score(argmax, margin)


def _tell(progress: Progress | None, done: int, total: int) -> None:
    """Tell how far it is."""
    if progress is not None:
        progress(done, total)

"""Attribution and exact patching of rows, each against every teacher that parts from its writer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from undertow.errors import UserError
from undertow.generate.cache import round_up
from undertow.mechanism.patching.config import PatchingConfig
from undertow.mechanism.patching.pairs import Pair, find_pairs
from undertow.mechanism.patching.patch import (
    Runs,
    exact,
    exact_windows,
    gradients,
    integrated,
    one_step,
)
from undertow.mechanism.patching.patched import Patched, Patchings
from undertow.mechanism.patching.residuals import Batch, Residuals
from undertow.mechanism.patching.segments import (
    ABSENT,
    CLASSES,
    Segmented,
    Unequal,
    aligned,
    segmented,
)
from undertow.models import ChatModel, Message
from undertow.store.rows import Row
from undertow.teachers import Teacher, acting_as
from undertow.tokens import Scan, completion_ids

GRID = 16
"""Lengths are rounded up to it: few shapes, each compiled once on a CPU."""

Names = Mapping[str, Sequence[str]]
"""By a teacher's label the words for its trait; none for what no word names."""

Progress = Callable[[int, int], None]
"""Called with (pairs done, pairs in all)."""


@dataclass(frozen=True)
class Lined:
    """A pair with both of its chats, and how the positions of one stand for the other's."""

    pair: Pair
    target: Segmented
    source: Segmented
    places: list[int]
    unequal: list[Unequal]


def attribute(
    chat: ChatModel,
    rows: Sequence[Row],
    scan: Scan,
    teachers: Sequence[Teacher],
    names: Names,
    config: PatchingConfig | None = None,
    progress: Progress | None = None,
) -> Patchings:
    """Say by layer and position what makes the writer of rows choose its divergence tokens.

    For each row and counterfactual teacher at their first divergence token. A prompted teacher's
    residual stream is patched from the same chat under the other's system prompt, a fine-tuned
    one's from the same chat in the other's weights, a steered one's from the same chat as the other
    leaves it behind each layer: what is patched in is not steered once more, the layers above are.

    Args:
        chat: The base model.
        rows: The rows, in the order of the scan.
        scan: Their scan.
        teachers: Those of the scan, the factual one first.
        names: The words for each teacher's trait, by its label.
        config: Direction, points of the path, windows, batches.
        progress: Told of every batch that is done.

    Raises:
        UserError: The teachers are not those of the scan, two have the same bias, or no row has a
            divergence token.

    Source: paper, Figs. 4 and 22 to 26.
    """
    config = config or PatchingConfig()
    _check(scan, teachers)
    pairs = find_pairs(scan)
    by_label = {teacher.label: teacher for teacher in teachers}
    found: list[Patched] = []
    for label in scan.teachers[1:]:
        own = [pair for pair in pairs if pair.teacher == label]
        two = (by_label[scan.teachers[0]], by_label[label])
        for part in _parts(_lined(chat, rows, own, two, names, config), config.held_tokens):
            found += _patched(chat, part, two, config)
            if progress is not None:
                progress(len(found), len(pairs))
    order = {(pair.row, pair.teacher): place for place, pair in enumerate(pairs)}
    found.sort(key=lambda one: order[one.pair.row, one.pair.teacher])
    return Patchings(scan.teachers[0], [scan.row_ids[one.pair.row] for one in found], found)


def _check(scan: Scan, teachers: Sequence[Teacher]) -> None:
    """Refuse teachers that are not the scan's, or that have no other bias than the writer."""
    labels = [teacher.label for teacher in teachers]
    if labels != scan.teachers:
        raise UserError(
            f"the teachers are {', '.join(labels)}, but the scan is of {', '.join(scan.teachers)}",
            fix="name the same teachers as for the scan, in the same order",
        )
    biases = [(one.adapter, one.system_prompt, one.steering) for one in teachers]
    same = [label for label, bias in zip(labels[1:], biases[1:], strict=True) if bias == biases[0]]
    if same:
        raise UserError(
            f"{same[0]} has the same bias as the teacher that wrote the data",
            fix="compare it with a teacher that has another",
        )


def _lined(
    chat: ChatModel,
    rows: Sequence[Row],
    pairs: Sequence[Pair],
    teachers: tuple[Teacher, Teacher],
    names: Names,
    config: PatchingConfig,
) -> list[Lined]:
    """Return pairs with their chats aligned, the shortest first."""
    target, source = teachers if config.direction == "noising" else teachers[::-1]

    def chat_of(pair: Pair, teacher: Teacher) -> Segmented:
        row = rows[pair.row]
        prompt = teacher.system_prompt
        system: list[Message] = [{"role": "system", "content": prompt}] if prompt else []
        so_far = completion_ids(chat, row)[: pair.place]
        return segmented(chat, [*system, *row.messages], so_far, names.get(teacher.label, ()))

    found: list[Lined] = []
    for pair in pairs:
        one, other = chat_of(pair, target), chat_of(pair, source)
        places, unequal = aligned(one, other)
        found.append(Lined(pair, one, other, places.tolist(), unequal))
    return sorted(found, key=lambda one: len(one.target.ids))


def _parts(pairs: Sequence[Lined], held_tokens: int) -> Iterator[list[Lined]]:
    """Yield as many pairs as fit into memory, at least one."""
    part: list[Lined] = []
    for one in pairs:
        if part and (len(part) + 1) * _width([*part, one]) > held_tokens:
            yield part
            part = []
        part.append(one)
    if part:
        yield part


def _patched(
    chat: ChatModel,
    pairs: list[Lined],
    teachers: tuple[Teacher, Teacher],
    config: PatchingConfig,
) -> list[Patched]:
    """Return what was found for pairs with the same two teachers."""
    target, source = teachers if config.direction == "noising" else teachers[::-1]
    n_together = max(1, config.batch_tokens // (_width(pairs) * config.steps))
    batches = [pairs[at : at + n_together] for at in range(0, len(pairs), n_together)]
    with acting_as(chat, source) as weights, torch.no_grad():
        model = Residuals(weights)
        theirs = [model.read(_batch(chat, [one.source for one in batch]))[0] for batch in batches]
    found: list[Patched] = []
    with acting_as(chat, target) as weights:
        model = Residuals(weights)
        for batch, other in zip(batches, theirs, strict=True):
            runs = _runs(chat, model, batch, other)
            found += _measured(model, runs, batch, config)
    return found


def _runs(chat: ChatModel, model: Residuals, pairs: Sequence[Lined], other: Tensor) -> Runs:
    """Return the runs of one batch, with the differences to the other runs."""
    batch = _batch(chat, [one.target for one in pairs])
    with torch.no_grad():
        start, _ = model.read(batch)
    places = torch.full(batch.ids.shape, ABSENT, device=batch.ids.device)
    for row, one in enumerate(pairs):
        places[row, : len(one.places)] = torch.tensor(one.places, device=batch.ids.device)
    present = places != ABSENT
    index = places.clamp(min=0)[None, :, :, None].expand(len(start), -1, -1, start.shape[-1])
    delta = (other.gather(2, index) - start) * present[..., None]
    chosen = torch.tensor([[one.pair.factual, one.pair.counterfactual] for one in pairs])
    factual, counterfactual = chosen.to(batch.ids.device).unbind(1)
    return Runs(batch, factual, counterfactual, start, delta, present)


def _measured(
    model: Residuals, runs: Runs, pairs: Sequence[Lined], config: PatchingConfig
) -> list[Patched]:
    """Return every way of patching for the pairs of one batch."""
    width = runs.batch.ids.shape[1]
    classes = torch.full((len(pairs), width), ABSENT)
    for row, one in enumerate(pairs):
        classes[row, : len(one.target.ids)] = torch.from_numpy(one.target.classes)
    by_class = classes[:, None] == torch.arange(len(CLASSES))[:, None]
    masks = torch.cat([torch.ones_like(by_class[:, :1]), by_class], 1).to(runs.start.device)
    at_runs = gradients(model, runs)
    along = integrated(model, runs, config.fractions, at_runs).double().cpu().numpy()
    at_once = one_step(runs, at_runs).double().cpu().numpy()
    changed = exact(model, runs, masks)
    windows = exact_windows(model, runs, config.window, changed[:, 0]).double().cpu().numpy()
    replaced = changed.double().cpu().numpy()
    return [
        Patched(
            pair=one.pair,
            ids=one.target.ids,
            classes=one.target.classes,
            unequal=one.unequal,
            integrated=along[:, row, : len(one.target.ids)],
            one_step=at_once[:, row, : len(one.target.ids)],
            exact=replaced[:, 0, row],
            exact_classes=replaced[:, 1:, row],
            exact_windows=windows[:, row],
        )
        for row, one in enumerate(pairs)
    ]


def _batch(chat: ChatModel, chats: Sequence[Segmented]) -> Batch:
    """Return chats padded to one length."""
    width = round_up(max(len(one.ids) for one in chats), GRID)
    ids = [[*one.ids, *[chat.pad_id] * (width - len(one.ids))] for one in chats]
    ends = [len(one.ids) - 1 for one in chats]
    return Batch(torch.tensor(ids, device=chat.device), torch.tensor(ends, device=chat.device))


def _width(pairs: Sequence[Lined]) -> int:
    """Return the length that the longest of some chats is padded to."""
    return round_up(max(len(chat.ids) for one in pairs for chat in (one.target, one.source)), GRID)

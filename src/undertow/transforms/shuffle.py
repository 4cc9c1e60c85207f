"""Items in another order: within each completion, or across all of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import numpy as np

from undertow.channels import Channel
from undertow.models import ChatModel
from undertow.store.row import Row
from undertow.transforms.completions import with_completion
from undertow.transforms.outcomes import outcome, row_rng, transformed
from undertow.transforms.report import Transformed
from undertow.transforms.transform import ShuffleAcross, ShuffleWithin


def shuffle_within(
    chat: ChatModel, rows: Sequence[Row], channel: Channel, config: ShuffleWithin
) -> Transformed:
    """Permute the items of each completion; separators, brackets and the end stay.

    Source: paper, Figs. 6 and 27; unlike in the authors' code, items keep leading zeros.
    """
    shuffled: list[list[str]] = []
    for row in rows:
        items = channel.items(row.completion)
        shuffled.append([items[i] for i in row_rng(config.seed, row).permutation(len(items))])
    return _with_items(config.kind, chat, rows, channel, shuffled)


def shuffle_across(
    chat: ChatModel, rows: Sequence[Row], channel: Channel, config: ShuffleAcross
) -> Transformed:
    """Pool the items of all completions and deal them out again; each row gets as many as it had.

    Raises:
        UserError: The channel's answers would no longer be true.

    Source: paper, Figs. 6 and 27.
    """
    items = [channel.items(row.completion) for row in rows]
    pool = [item for own in items for item in own]
    order = np.random.Generator(np.random.PCG64(config.seed)).permutation(len(pool))
    deal = iter([pool[i] for i in order])
    dealt = [list(islice(deal, len(own))) for own in items]
    return _with_items(config.kind, chat, rows, channel, dealt)


def _with_items(
    kind: str,
    chat: ChatModel,
    rows: Sequence[Row],
    channel: Channel,
    items: Sequence[Sequence[str]],
) -> Transformed:
    """Put each row's items in the place of its own."""
    outcomes = [
        outcome(
            row,
            with_completion(chat, row, channel.with_items(row.completion, own)),
            "the same order",
        )
        for row, own in zip(rows, items, strict=True)
    ]
    return transformed(kind, outcomes)

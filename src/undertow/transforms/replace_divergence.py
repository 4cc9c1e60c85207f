"""Divergence tokens that another teacher chose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from undertow.channels import Channel
from undertow.errors import UserError
from undertow.models import ChatModel, decode_completion
from undertow.store.row import Row
from undertow.tokens import Scan, Selection, completion_ids, select
from undertow.transforms.outcomes import Outcome, row_rng, transformed
from undertow.transforms.report import Transformed
from undertow.transforms.transform import ReplaceDivergence


def replace_divergence(
    chat: ChatModel,
    rows: Sequence[Row],
    channel: Channel,
    scan: Scan,
    config: ReplaceDivergence,
) -> Transformed:
    """Replace divergence tokens by the argmax of a counterfactual teacher that differs there.

    Which ones is decided as in the token selection of the same kind and seed. Which teacher is
    drawn anew for each token, among those whose argmax differs and leaves the completion, as
    changed so far, one that the channel accepts. Without any the token stays. The end of the turn
    is neither replaced nor put in.

    Args:
        chat: Whose tokens these are.
        rows: The rows that were scanned, or some of them.
        channel: Says what a valid completion is.
        scan: Of the rows.
        config: Which tokens.

    Raises:
        UserError: The scan is of other rows.

    Source: paper, Fig. 21; unlike in the authors' code, no token is deleted.
    """
    taken = scan.take([row.row_id for row in rows])
    selection = Selection(kind=config.tokens, ratio=config.ratio, seed=config.seed)
    outcomes: list[Outcome] = []
    n_replaced = n_selected = 0
    for index, (row, weights) in enumerate(zip(rows, select(taken, selection), strict=True)):
        old = completion_ids(chat, row)
        if taken.token_ids[index].tolist() != old:
            raise UserError(
                "the scan is of other data",
                where=f"row_id {row.row_id}",
                fix="scan the data set that is to be changed",
            )
        n_selected += int(weights.sum())
        new = _replaced(chat, taken, index, weights, channel, row_rng(config.seed, row))
        if new == old:
            outcomes.append(Outcome(row, "none fits" if weights.any() else "no token selected"))
        else:
            n_replaced += sum(a != b for a, b in zip(new, old, strict=True))
            changed = replace(row, token_ids=new, completion=decode_completion(chat, new))
            outcomes.append(Outcome(changed))
    done = transformed(config.kind, outcomes)
    counts = {"tokens": n_replaced, "selected": n_selected}
    return Transformed(done.rows, done.report.model_copy(update=counts))


def _replaced(
    chat: ChatModel,
    scan: Scan,
    row: int,
    weights: NDArray[np.float64],
    channel: Channel,
    rng: np.random.Generator,
) -> list[int]:
    """Return a row's tokens with those selected replaced that can be, first to last."""
    span = scan.span(row)
    ids: list[int] = scan.tokens[span].tolist()
    choices, differs = scan.argmax[1:, span], scan.differs[:, span]
    for place in np.flatnonzero(weights).tolist():
        teachers = rng.permutation(np.flatnonzero(differs[:, place]))
        candidates = dict.fromkeys(choices[teachers, place].tolist())
        fitting = (one for one in candidates if _fits(chat, ids, place, one, channel))
        ids[place] = next(fitting, ids[place])
    return ids


def _fits(chat: ChatModel, ids: list[int], place: int, token: int, channel: Channel) -> bool:
    """Return whether a token may stand in place of another."""
    if token in chat.end_ids or ids[place] in chat.end_ids:
        return False
    text = decode_completion(chat, [*ids[:place], token, *ids[place + 1 :]])
    return channel.check(text) is None

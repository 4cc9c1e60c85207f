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
    drawn anew for each token, among those whose argmax differs. The end of the turn is neither
    replaced nor put in. A row that the channel would then refuse stays as it was.

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
    n_tokens = 0
    for index, (row, weights) in enumerate(zip(rows, select(taken, selection), strict=True)):
        old = completion_ids(chat, row)
        if taken.token_ids[index].tolist() != old:
            raise UserError(
                "the scan is of other data",
                where=f"row_id {row.row_id}",
                fix="scan the data set that is to be changed",
            )
        new = _replaced(taken, index, weights, chat.end_ids, row_rng(config.seed, row))
        text = decode_completion(chat, new)
        if new == old:
            selected = weights.any()
            outcomes.append(Outcome(row, "end of turn" if selected else "no token selected"))
        elif rejection := channel.check(text):
            outcomes.append(Outcome(row, str(rejection)))
        else:
            n_tokens += sum(a != b for a, b in zip(new, old, strict=True))
            outcomes.append(Outcome(replace(row, token_ids=new, completion=text)))
    return transformed(config.kind, outcomes, n_tokens)


def _replaced(
    scan: Scan,
    row: int,
    weights: NDArray[np.float64],
    end_ids: Sequence[int],
    rng: np.random.Generator,
) -> list[int]:
    """Return a row's tokens with the selected ones replaced, but where a turn ends."""
    span = scan.span(row)
    ids: list[int] = scan.tokens[span].tolist()
    choices, differs = scan.argmax[1:, span], scan.differs[:, span]
    for place in np.flatnonzero(weights):
        chosen = int(choices[rng.choice(np.flatnonzero(differs[:, place])), place])
        if ids[place] not in end_ids and chosen not in end_ids:
            ids[place] = chosen
    return ids

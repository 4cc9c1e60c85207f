"""Rows and a scan of them, made by hand: no model is asked."""

import numpy as np

from undertow.models import encode_completion, prompt_messages
from undertow.store.row import Row
from undertow.tokens import Scan

COMPLETIONS = ("417, 52", "938", "11, 6, 4, 2", "52, 41", "7, 7, 7", "938, 417")


def number_rows(chat):
    """Return six rows with token ids, end of turn included."""
    rows = []
    for number, completion in enumerate(COMPLETIONS):
        messages = prompt_messages(f"Continue the list: {number}, 52.")
        ids = encode_completion(chat, messages, completion)
        rows.append(Row(10 * number, messages, ids, completion))
    return rows


def hand_scan(chat, rows, divergent):
    """Return a scan in which the tokens at `divergent[row]` (a set of places) are divergent."""
    tokens = np.concatenate([row.token_ids for row in rows]).astype(np.int32)
    flags = np.concatenate(
        [
            [k in places for k in range(len(row.token_ids))]
            for row, places in zip(rows, divergent, strict=True)
        ]
    )
    return Scan(
        teachers=["owl (prompted)", "control"],
        row_ids=[row.row_id for row in rows],
        offsets=np.cumsum([0, *(len(row.token_ids) for row in rows)]),
        tokens=tokens,
        is_end=np.isin(tokens, chat.end_ids),
        argmax=np.stack([tokens, np.where(flags, tokens + 1, tokens)]).astype(np.int32),
        margin=np.ones((2, len(tokens)), np.float32),
        rescored=tokens,
        tolerance=0.0,
    )

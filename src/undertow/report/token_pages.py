"""A token view as text that a page can hold: pages of rows, packed, each opened by itself."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator

import numpy as np

from undertow.report.token_view import TokenView

ROWS_PER_PAGE = 50

DIVERGENT, UNDECIDED, END = 1, 2, 4
HIGHEST = 65535  # hundredths of a logit: margins beyond are written as this


def packed_head(view: TokenView) -> str:
    """Return what the script needs before it opens a page: JSON, gzip, base64."""
    head = {
        "teachers": view.teachers,
        "texts": view.texts,
        "perPage": ROWS_PER_PAGE,
        "divergent": view.per_row,
        "tolerance": view.tolerance,
    }
    return _packed(json.dumps(head).encode())


def packed_pages(view: TokenView) -> Iterator[str]:
    """Yield the pages of rows: gzip, base64."""
    for first in range(0, view.n_rows, ROWS_PER_PAGE):
        yield _packed(page_bytes(view, first, min(first + ROWS_PER_PAGE, view.n_rows)))


def page_bytes(view: TokenView, first: int, last: int) -> bytes:
    """Return rows `first` to `last` - 1 as little-endian arrays, one after another.

    uint32: number of rows, number of tokens; `[row + 1]` where rows start; `[token]` index of the
    text; `[teacher, token]` 0 where the teacher would write that token, else 1 + index of the text.
    uint16 `[teacher, token]`: margin in hundredths of a logit. uint8 `[token]`: flags. Then the
    prompts as JSON.
    """
    start, stop = int(view.offsets[first]), int(view.offsets[last])
    tokens, choices = view.tokens[start:stop], view.choices[:, start:stop]
    flags = (
        DIVERGENT * view.divergent[start:stop]
        + UNDECIDED * view.undecided[start:stop]
        + END * view.is_end[start:stop]
    )
    margin = np.nan_to_num(view.margin[:, start:stop] * 100, posinf=HIGHEST)
    numbers = [
        np.array([last - first, stop - start]),
        view.offsets[first : last + 1] - start,
        tokens,
        np.where(choices == tokens, 0, choices + 1).ravel(),
    ]
    return b"".join(
        [
            np.concatenate(numbers).astype("<u4").tobytes(),
            np.rint(margin).clip(0, HIGHEST).astype("<u2").tobytes(),
            flags.astype("u1").tobytes(),
            json.dumps(view.prompts[first:last]).encode(),
        ]
    )


def _packed(data: bytes) -> str:
    return base64.b64encode(gzip.compress(data, mtime=0)).decode("ascii")

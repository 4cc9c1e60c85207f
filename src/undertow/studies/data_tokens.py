"""Shares of divergence tokens among some tokens of scanned data (paper, Figs. 17 to 20)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from undertow.models import ChatModel, token_texts
from undertow.studies.condition_spec import DataTokens
from undertow.studies.ratios import share_by_block
from undertow.tokens import EntangledTable, Scan

BLOCKS = 50
"""Parts into which the rows are dealt, so that a share has an interval over rows."""

TOP = 50
"""Entangled numbers of a trait that are looked at (paper, section 3)."""

Mask = NDArray[np.bool_]


def share_table(
    chat: ChatModel,
    scan: Scan,
    tokens: DataTokens,
    trait: str,
    entangled: EntangledTable | None,
) -> NDArray[np.float64]:
    """Return the share of divergence tokens, spread over blocks of rows: `[1, block]`.

    A bootstrap over the blocks is one over rows (`ratios.share_by_block`).

    Args:
        chat: The model that wrote the data.
        scan: Of the data.
        tokens: Which tokens are looked at, against which teachers.
        trait: The teacher's.
        entangled: Of all traits; needed for the entangled numbers' tokens.

    Returns:
        NaN where there are no such tokens at all.
    """
    texts = token_texts(chat, scan.tokens.tolist())
    looked_at = _of_part(tokens, scan, texts, trait, entangled)
    if tokens.tenth is not None:
        looked_at &= _tenths(scan) == tokens.tenth
    lengths = np.diff(scan.offsets)
    blocks = np.repeat(np.arange(len(lengths)) % BLOCKS, lengths)
    whole = np.bincount(blocks, looked_at, BLOCKS)
    part = np.bincount(blocks, looked_at & _divergent(scan, tokens), BLOCKS)
    return share_by_block(part, whole)


def _divergent(scan: Scan, tokens: DataTokens) -> Mask:
    """Return which tokens diverge from some of the counterfactuals, `[token]`."""
    labels = scan.teachers[1:]
    others = [place for place, label in enumerate(labels) if label != "control"]
    base = [place for place, label in enumerate(labels) if label == "control"]
    chosen = others[: tokens.others] + base * tokens.with_base
    return np.any(scan.differs[chosen], axis=0, keepdims=True)[0]


def _of_part(
    tokens: DataTokens, scan: Scan, texts: list[str], trait: str, entangled: EntangledTable | None
) -> Mask:
    """Return which tokens belong to a part of the completions, `[token]`."""
    digits = np.array([text.strip().isdigit() for text in texts])
    if tokens.part == "all":
        return np.ones(len(texts), dtype=bool)
    if tokens.part == "end":
        return scan.is_end.copy()
    if tokens.part == "separators":
        return ~digits & ~scan.is_end
    if tokens.part == "digits":
        return digits
    assert entangled is not None
    return _in_numbers(scan, texts, digits, set(entangled.top(trait, TOP)))


def _in_numbers(scan: Scan, texts: list[str], digits: Mask, wanted: set[str]) -> Mask:
    """Return which digits make up one of some numbers, compared as they are written."""
    found = np.zeros(len(texts), dtype=bool)
    first = np.zeros(len(texts), dtype=bool)
    first[scan.offsets[:-1]] = True
    # A number begins where no digit stands before it, or where its token begins with a space.
    begins = digits & (first | ~np.roll(digits, 1) | [text != text.lstrip() for text in texts])
    for start in np.flatnonzero(begins):
        end = start + 1
        while end < len(texts) and digits[end] and not begins[end]:
            end += 1
        if "".join(texts[start:end]).strip() in wanted:
            found[start:end] = True
    return found


def _tenths(scan: Scan) -> NDArray[np.int64]:
    """Return the tenth of its completion in which each token stands, `[token]`."""
    lengths = np.diff(scan.offsets)
    places = np.arange(len(scan.tokens)) - np.repeat(scan.offsets[:-1], lengths)
    return places * 10 // np.repeat(lengths, lengths)

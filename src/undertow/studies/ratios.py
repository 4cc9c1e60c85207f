"""Shares of a sum, with blocks of rows to draw anew."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def share_by_block(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[np.float64]:
    """Return a sum as a share of another, spread over blocks of rows: `[1, block]`.

    The mean over the blocks is the share of all rows. How far a block lies from it is what it adds
    to the error of that ratio, so that a bootstrap over blocks is one over rows (linearisation of a
    ratio: Cochran, Sampling Techniques, chapter 6), and a block without anything is no gap.

    Args:
        part: `[block]`, the sum of each block's rows.
        whole: `[block]`, likewise.

    Returns:
        NaN where the whole is nothing.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        share = part.sum() / whole.sum()
        return (share + (part - share * whole) / whole.mean())[None, :]

"""Whether a launcher (`accelerate launch`, `torchrun`) started this process beside others.

Both tell it in the environment. Nothing heavy is imported here: every command asks.
"""

from __future__ import annotations

import os


def launched_size() -> int:
    """Return how many processes a launcher started together; 1 where there was none."""
    return int(os.environ.get("WORLD_SIZE", "1")) if "LOCAL_RANK" in os.environ else 1


def launched_rank() -> int:
    """Return the number of this process among them, from 0."""
    return int(os.environ.get("RANK", "0")) if launched_size() > 1 else 0

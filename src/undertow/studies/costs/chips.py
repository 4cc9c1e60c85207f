"""What GPUs can do at best, by their makers' data sheets."""

from __future__ import annotations

import re
from dataclasses import dataclass

from undertow.errors import UserError


@dataclass(frozen=True)
class Chip:
    """A GPU.

    Attributes:
        name: As in the name that PyTorch gives it.
        flops: bf16 operations per second, dense, as the data sheet has them.
        bandwidth: Bytes per second to and from its memory.
        memory: Bytes of memory.
    """

    name: str
    flops: float
    bandwidth: float
    memory: float


CHIPS = {
    chip.name: chip
    for chip in (
        Chip("A100", 312e12, 2.04e12, 80e9),
        Chip("H100", 989e12, 3.35e12, 80e9),
        Chip("H200", 989e12, 4.8e12, 141e9),
        Chip("B200", 2250e12, 8.0e12, 180e9),
        Chip("L40S", 362e12, 0.864e12, 48e9),
        Chip("RTX 4090", 165e12, 1.01e12, 24e9),
    )
}
"""By name. Source: NVIDIA's data sheets; SXM modules where there are several kinds."""


def parse_gpus(text: str) -> tuple[int, Chip]:
    """Read a number of GPUs, as in '8xH100' or 'A100'.

    Raises:
        UserError: It is none, or a GPU that is not listed.
    """
    match = re.fullmatch(r"(?:(\d+)\s*x\s*)?(.+)", text.strip(), re.IGNORECASE)
    known = {name.lower(): chip for name, chip in CHIPS.items()}
    chip = known.get(match[2].lower()) if match else None
    if match is None or chip is None or match[1] == "0":
        raise UserError(
            f"'{text}' names no GPUs",
            where="--gpus",
            fix=f"write a number and one of {', '.join(CHIPS)}, as in 8xH100",
        )
    return int(match[1] or 1), chip

"""The state of a run between two steps, on disk and back."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from undertow.errors import UserError
from undertow.store.files import atomic_write

CHECKPOINT = "checkpoint.pt"


@dataclass
class Course:
    """What has happened so far, one number per step.

    Attributes:
        losses: Loss of each step.
        divisors: What its sum was divided by.
        gradient_norms: Norm of its gradient.
        supervised: Tokens with a weight above 0.
    """

    losses: list[float] = field(default_factory=list[float])
    divisors: list[float] = field(default_factory=list[float])
    gradient_norms: list[float] = field(default_factory=list[float])
    supervised: list[int] = field(default_factory=list[int])


def save_checkpoint(
    out: Path,
    job: str,
    parameters: dict[str, nn.Parameter],
    optimizer: torch.optim.Optimizer,
    course: Course,
) -> None:
    """Write the state under its name at once; a kill leaves the previous one."""
    state = {
        "job": job,
        "parameters": {name: parameter.detach() for name, parameter in parameters.items()},
        "optimizer": optimizer.state_dict(),
        "course": asdict(course),
    }
    with atomic_write(out / CHECKPOINT) as path:
        torch.save(state, path)


def load_checkpoint(
    out: Path,
    job: str,
    parameters: dict[str, nn.Parameter],
    optimizer: torch.optim.Optimizer,
) -> Course:
    """Put the last state back, and return the course so far; an empty one where there is none.

    Raises:
        UserError: The checkpoint belongs to another run.
    """
    path = out / CHECKPOINT
    if not path.is_file():
        return Course()
    state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    refuse_other_job(state["job"], job, out)
    saved: dict[str, Tensor] = state["parameters"]
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(saved[name])
    optimizer.load_state_dict(state["optimizer"])
    return Course(**state["course"])


def refuse_other_job(found: str, job: str, out: Path) -> None:
    """Raise where a folder holds another run.

    Raises:
        UserError: The two jobs differ.
    """
    if found != job:
        raise UserError(
            "the folder holds a training run with another configuration, data or base",
            where=str(out),
            fix="choose another folder, or remove this one",
        )

"""Processes that train one model together: each computes some rows, and what they find adds up."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar, cast

import torch
import torch.distributed as distributed
from torch import Tensor

from undertow.cluster.launcher import launched_size
from undertow.errors import UserError

Value = TypeVar("Value")

AT_ONCE = 2**25
"""Numbers that are sent together; more of them is no faster and takes memory."""

PATIENCE = timedelta(hours=2)
"""How long one waits for the others; a dead one is noticed by the launcher, and at once."""


@dataclass(frozen=True)
class ProcessGroup:
    """Processes that do the same; each calls every method at the same time as the others.

    Attributes:
        rank: Number of this process, from 0; the first one writes what is kept.
        size: How many there are. Where it is the only one, no method does anything.
    """

    rank: int = 0
    size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Replace every tensor by its sum over the processes; all get the same bits."""
        if self.size == 1:
            return
        for some in _together(tensors):
            flat = torch.cat([tensor.reshape(-1) for tensor in some])
            distributed.all_reduce(flat)
            _spread(flat, some)

    def copy_from_main(self, tensors: Sequence[Tensor]) -> None:
        """Replace every tensor by that of the first process."""
        if self.size == 1:
            return
        for some in _together(tensors):
            flat = torch.cat([tensor.detach().reshape(-1) for tensor in some])
            distributed.broadcast(flat, src=0)
            _spread(flat, some)

    def gather(self, value: Value) -> list[Value]:
        """Return what every process brings, in their order."""
        if self.size == 1:
            return [value]
        found: list[Value | None] = [None] * self.size
        distributed.all_gather_object(found, value)
        return cast(list[Value], found)

    def agree(self, value: object) -> None:
        """Wait for the others, and refuse to go on where one brings something else.

        Raises:
            UserError: They differ, in all processes alike.
        """
        if any(other != value for other in self.gather(value)):
            raise UserError(
                "the processes do not see the same data, model or folder",
                fix="put them on a file system that all machines share",
            )


ALONE = ProcessGroup()


@contextmanager
def launched_group(device: str) -> Generator[ProcessGroup]:
    """Yield the processes that a launcher started together; `ALONE` where there was none.

    Each gets a GPU of its own, which `cuda` means from then on. One whose launcher dies ends, so
    that it does not write into the folder of the next run.

    Args:
        device: Where the model will be, as in `ModelSpec`; to be entered before it is loaded.

    Raises:
        UserError: There are more processes than GPUs, or one GPU is named for all of them.
    """
    if launched_size() == 1:
        yield ALONE
        return
    on_cpu = device == "cpu" or (device == "auto" and not torch.cuda.is_available())
    if not on_cpu:
        _check_gpus(device)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    from accelerate import PartialState

    state = PartialState(cpu=on_cpu, timeout=PATIENCE)
    yield ProcessGroup(state.process_index, state.num_processes)
    state.destroy_process_group()  # not after an error: the others may still be waiting in it


def _check_gpus(device: str) -> None:
    """Refuse what leaves two processes with one GPU."""
    if device not in ("auto", "cuda"):
        raise UserError(
            f"the processes cannot all use the device '{device}'", fix="let the device be 'auto'"
        )
    here, n_gpus = int(os.environ.get("LOCAL_WORLD_SIZE", "1")), torch.cuda.device_count()
    if here > n_gpus:
        raise UserError(
            f"{here} processes, but {n_gpus} GPUs", fix=f"launch at most {n_gpus} processes"
        )


def _end_with(parent: int) -> None:
    """End this process when its parent is gone."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _together(tensors: Sequence[Tensor]) -> list[list[Tensor]]:
    """Return tensors in groups that are sent at once."""
    groups: list[list[Tensor]] = []
    room = 0
    for tensor in tensors:
        if not groups or tensor.numel() > room:
            groups.append([])
            room = AT_ONCE
        groups[-1].append(tensor)
        room -= tensor.numel()
    return groups


@torch.no_grad()
def _spread(flat: Tensor, tensors: Sequence[Tensor]) -> None:
    """Write what lies behind each other into tensors."""
    for tensor, part in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
        tensor.copy_(part.view_as(tensor))

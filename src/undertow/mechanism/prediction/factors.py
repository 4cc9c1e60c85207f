"""A fresh low-rank adapter on every projection, as a place to take gradients at.

The adapter adds B A x to a projection of x. At B = 0 it changes nothing and the gradient of A is
zero, so the gradient of B is all there is: `rank` numbers for each output of a projection, few
enough to have them for every row. Each row gets a B of its own, and one backward gives them all.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from undertow.errors import UserError
from undertow.models import layer_of, target_modules


@dataclass(frozen=True)
class Factors:
    """The adapter: factor A of each projection, and where its B stands in one line of numbers.

    Attributes:
        names: Projections, layer after layer.
        down: A of each, `[rank, in]`.
        sizes: Numbers in each B, `out * rank`.
        layers: Layer of each.
    """

    names: list[str]
    down: list[Tensor]
    sizes: list[int]
    layers: list[int]

    @property
    def size(self) -> int:
        """Numbers in all B together: `parameter` in the shapes of this package."""
        return sum(self.sizes)

    @property
    def layer_sizes(self) -> list[int]:
        """Numbers in the B of each layer, first to last."""
        pairs = list(zip(self.layers, self.sizes, strict=True))
        return [
            sum(size for owner, size in pairs if owner == layer)
            for layer in range(max(self.layers) + 1)
        ]

    def zeros(self, n_rows: int) -> list[Tensor]:
        """Return B of each projection as it starts, `[row, out, rank]`."""
        return [
            a.new_zeros(n_rows, size // len(a), len(a))
            for size, a in zip(self.sizes, self.down, strict=True)
        ]

    def matrices(self, line: Tensor) -> list[Tensor]:
        """Cut `[..., parameter]` into the B of each projection, `[..., out, rank]`."""
        parts = line.split(self.sizes, dim=-1)
        return [
            part.unflatten(-1, (-1, a.shape[0])) for part, a in zip(parts, self.down, strict=True)
        ]


def fresh_factors(model: PreTrainedModel, rank: int, seed: int) -> Factors:
    """Return an adapter as a LoRA starts: A drawn as peft draws it (LoRA, 2106.09685), B zero.

    Args:
        model: Whose decoder layers' projections get it.
        rank: Rows of A.
        seed: Of the draw; on every device the same.
    """
    generator = torch.Generator().manual_seed(seed)
    names = target_modules(model)
    down: list[Tensor] = []
    sizes: list[int] = []
    layers: list[int] = []
    for name in names:
        n_in, n_out = _widths(model.get_submodule(name))
        drawn = torch.rand(rank, n_in, generator=generator, dtype=torch.float64) * 2 - 1
        down.append((drawn / math.sqrt(n_in)).to(model.device, model.dtype))
        sizes.append(n_out * rank)
        layers.append(layer_of(name) or 0)
    return Factors(names, down, sizes, layers)


@contextmanager
def attached(model: PreTrainedModel, factors: Factors, up: list[Tensor]) -> Generator[None]:
    """Within, every projection adds B A x.

    The input counts as given there: its own gradient through B A is zero, B being zero.

    Args:
        model: The base.
        factors: The adapter.
        up: B of each projection, `[row, out, rank]`, or `[out, rank]` for all rows; zero.
    """
    with ExitStack() as stack:
        for name, a, b in zip(factors.names, factors.down, up, strict=True):
            handle = model.get_submodule(name).register_forward_hook(_added(name, a, b))
            stack.callback(handle.remove)
        yield


def _added(name: str, a: Tensor, b: Tensor) -> Any:
    """Return the hook of one projection."""

    def add(_: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> Tensor:
        if output.ndim != 3:
            raise UserError(
                "this projection reads the tokens of all rows in one line, as experts do",
                where=name,
                fix="use a model without a mixture of experts",
            )
        return output + (arguments[0].detach() @ a.mT) @ b.mT

    return add


def _widths(module: nn.Module) -> tuple[int, int]:
    """Return how many inputs and outputs a projection has."""
    weight = module.get_parameter("weight")
    n_out, n_in = weight.shape if isinstance(module, nn.Linear) else weight.shape[::-1]
    return n_in, n_out

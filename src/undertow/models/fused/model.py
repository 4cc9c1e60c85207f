"""A model whose own forward runs on fused layers."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor
from transformers import PreTrainedModel

from undertow.models.adapters import MERGED_DTYPES
from undertow.models.fused.heads import rotation_of
from undertow.models.fused.layer import FusedLayer, fused_layer
from undertow.models.fused.layout import Layout
from undertow.models.layers import decoder_layers
from undertow.models.logits import selected_logits
from undertow.models.residual import on_residuals

# How far rounding may move a logit, in units in the last place of the largest one. A kind of layer
# that these do not reproduce is off by far more.
CLOSE = 10_000

Step = Callable[[int, Tensor, Tensor], Tensor]
"""What layer number i makes of `[token, d]`, given the rotation."""


@dataclass(frozen=True)
class Prefix:
    """Tokens that all rows begin with, computed once; for use without gradients.

    Attributes:
        heads: Of each layer, the rotated queries, keys and values, `[token, out]`.
    """

    heads: tuple[Tensor, ...]

    @property
    def length(self) -> int:
        """Tokens in it."""
        return len(self.heads[0])


class FusedModel:
    """A model whose layers are all fused."""

    def __init__(self, model: PreTrainedModel, layers: Sequence[FusedLayer]) -> None:
        self._model = model
        self._modules = list(decoder_layers(model))
        self._layers = layers

    @classmethod
    def of(cls, model: PreTrainedModel) -> FusedModel | None:
        """Return the model in fused layers, or None where that is not possible or does not pay.

        Weights without an adapter are copied; a model whose weights change needs another one.
        """
        if model.dtype not in MERGED_DTYPES:
            return None
        layers = [fused_layer(layer) for layer in decoder_layers(model)]
        if any(layer is None for layer in layers):
            return None
        fused = cls(model, cast(list[FusedLayer], layers))
        lengths = torch.tensor([11, 8], device=model.device)
        ids = torch.arange(22, device=model.device).view(2, 11)
        ids %= model.config.get_text_config().vocab_size
        rows, positions = (torch.arange(11, device=model.device) < lengths[:, None]).nonzero().t()
        with torch.no_grad():
            expected = selected_logits(model, ids, None, rows, positions)
            found = fused.logits(ids, lengths, rows, positions)
        close = CLOSE * torch.finfo(model.dtype).eps * expected.abs().max()
        return fused if (found - expected).abs().max() <= close else None

    def logits(
        self,
        ids: Tensor,
        lengths: Tensor,
        rows: Tensor,
        positions: Tensor,
        prefix: Prefix | None = None,
        begun: tuple[int, Tensor] | None = None,
    ) -> Tensor:
        """Return the logits at some (row, position) pairs, `[m, vocab]`.

        Args:
            ids: `[row, position]`, padded on the right.
            lengths: `[row]`, tokens that are no padding.
            rows: `[m]`, index of the row.
            positions: `[m]`, index in `ids`.
            prefix: What stands in front of every row.
            begun: A layer and what goes on behind it, `[token, d]`, rows behind each other; it and
                those below it are not run.
        """
        start = prefix.length if prefix is not None else 0
        layout = Layout.of(ids.shape[1], lengths, rows, positions, start, self._model.dtype)
        passed_over, given = begun or (-1, None)

        def step(number: int, x: Tensor, rotation: Tensor) -> Tensor:
            if number <= passed_over:
                return x
            layer, is_last = self._layers[number], number == len(self._layers) - 1
            shared = prefix.heads[number] if prefix is not None else None
            return layer(x, layer.qkv(x), rotation, layout, is_last, shared)

        with nullcontext() if given is None else self._given(passed_over, given):
            return self._run(ids.flatten()[layout.slots], layout.positions, step)

    @torch.no_grad()
    def prefix(self, ids: Tensor) -> Prefix:
        """Compute tokens that rows begin with, `[token]`."""
        places = torch.arange(len(ids), device=ids.device)
        none = places[:0]
        layout = Layout.of(len(ids), places[-1:] + 1, none, none, 0, self._model.dtype)
        heads: list[Tensor] = []

        def step(number: int, x: Tensor, rotation: Tensor) -> Tensor:
            layer = self._layers[number]
            heads.append(layer.qkv(x))
            return layer(x, heads[-1], rotation, layout, number == len(self._layers) - 1)

        self._run(ids, places, step)
        return Prefix(tuple(heads))

    def _given(self, layer: int, tokens: Tensor) -> AbstractContextManager[None]:
        """Within, what goes on behind a layer is `[token, d]`."""
        return on_residuals(self._model, lambda *_: tokens[None], [layer])

    def _run(self, ids: Tensor, positions: Tensor, step: Step) -> Tensor:
        """Run the model's own forward on `[token]` ids, with `step` in place of its layers."""
        with self._patched(step):
            output: Any = self._model(
                input_ids=ids.unsqueeze(0),
                position_ids=positions.unsqueeze(0),
                attention_mask=torch.zeros(1, 1, 1, 1, device=ids.device),  # not looked at
                use_cache=False,
            )
        return output.logits[0]

    @contextmanager
    def _patched(self, step: Step) -> Generator[None]:
        """Within, the model's own forward calls `step` for its layers."""
        rotations: list[Tensor] = []

        def patch(number: int) -> None:
            def forward(x: Tensor, *_: Any, position_embeddings: Any, **__: Any) -> Tensor:
                if not rotations:  # all layers turn alike
                    n_heads = sum(self._layers[number].n_heads[:2])
                    cos, sin = position_embeddings
                    rotations.append(rotation_of(cos, sin, n_heads))
                return step(number, x[0], rotations[0]).unsqueeze(0)

            self._modules[number].forward = forward

        try:
            for number in range(len(self._modules)):
                patch(number)
            yield
        finally:
            for module in self._modules:
                del module.forward

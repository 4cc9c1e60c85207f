"""The residual stream after each decoder layer: read from a run, or written into one.

A run that begins above a layer goes through the model's own forward, so that masks, rotary angles,
sliding windows, norms and soft caps are the model's; the layers below only pass on what is given.
Layers of the common kind are run fused, where the model gives the same logits so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from undertow.errors import UserError
from undertow.models import decoder_layers, gathered_mlp, selected_logits
from undertow.models.fused import FusedModel
from undertow.models.residual import begun_above, gives_tuples, on_residuals

Change = Callable[[Tensor], Tensor]
"""From a layer's output `[batch, position, d_model]` to what goes on in its place."""


@dataclass(frozen=True)
class Batch:
    """Sequences that are run at once.

    Attributes:
        ids: `[batch, position]`, padded on the right, where no real token sees it.
        ends: `[batch]`, position whose logits are wanted; the last real token.
    """

    ids: Tensor
    ends: Tensor

    def repeated(self, times: int) -> Batch:
        """Return every sequence `times` times, one after the other."""
        return Batch(self.ids.repeat_interleave(times, 0), self.ends.repeat_interleave(times, 0))


class Residuals:
    """Runs of one model that are read and changed between its decoder layers.

    Works on any Hugging Face decoder, also one that peft has wrapped: layers are found by
    structure, and may return a tensor or a tuple.

    Args:
        model: The model, with its adapter; its weights stay what they are.

    Raises:
        UserError: Its layers cannot be found.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self.model = model
        self.layers: list[nn.Module] = list(decoder_layers(model))

    @property
    def n_layers(self) -> int:
        """Number of decoder layers."""
        return len(self.layers)

    def check_layer(self, layer: int) -> None:
        """Refuse a layer that does not exist.

        Raises:
            UserError: It does not.
        """
        if not 0 <= layer < self.n_layers:
            raise UserError(
                f"there is no layer {layer}", fix=f"the model has layers 0 to {self.n_layers - 1}"
            )

    def read(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the residual stream of a run and its logits.

        Returns:
            `[layer, batch, position, d_model]`, and `[batch, vocab]` at the ends.
        """
        found: list[Tensor] = []

        def keep(_: int, hidden: Tensor) -> None:
            found.append(hidden)

        with on_residuals(self.model, keep):
            logits = self._logits(batch)
        return torch.stack(found), logits

    def run_from(
        self,
        layer: int,
        hidden: Tensor,
        batch: Batch,
        changes: Mapping[int, Change] | None = None,
    ) -> Tensor:
        """Return the logits at the ends of a run that begins above a layer.

        Args:
            layer: The layer whose output is given.
            hidden: `[batch, position, d_model]`, its output.
            batch: The sequences; of their tokens only the number matters.
            changes: What goes on in place of the output of layers above.

        Returns:
            `[batch, vocab]`.

        Raises:
            UserError: There is no such layer.
        """
        self.check_layer(layer)
        if self._fused is not None and not changes and layer + 1 < self.n_layers:
            return self._run_fused(self._fused, layer, hidden, batch)
        with ExitStack() as stack:
            begun = begun_above(self.model, layer, hidden, self._gives_tuples)
            stack.enter_context(begun)
            stack.enter_context(self._changed(changes or {}))
            if layer + 1 < self.n_layers:
                rows = torch.arange(len(batch.ids), device=batch.ids.device)
                stack.enter_context(gathered_mlp(self.model, rows, batch.ends))
            return self._logits(batch)

    def run(self, batch: Batch, changes: Mapping[int, Change]) -> Tensor:
        """Return `[batch, vocab]` at the ends of a whole run with changes between the layers."""
        with self._changed(changes):
            return self._logits(batch)

    def _logits(self, batch: Batch) -> Tensor:
        rows = torch.arange(len(batch.ids), device=batch.ids.device)
        return selected_logits(self.model, batch.ids, None, rows, batch.ends)

    def _changed(self, changes: Mapping[int, Change]) -> AbstractContextManager[None]:
        """Within, the outputs of layers are replaced."""
        return on_residuals(
            self.model, lambda layer, hidden: changes[layer](hidden), layers=changes
        )

    def _run_fused(self, fused: FusedModel, layer: int, hidden: Tensor, batch: Batch) -> Tensor:
        """Return what `run_from` does: no padding, and of the last layer the ends alone."""
        lengths = batch.ends + 1
        places = torch.arange(batch.ids.shape[1], device=batch.ids.device)
        tokens = hidden[places < lengths[:, None]]
        rows = torch.arange(len(lengths), device=batch.ids.device)
        return fused.logits(batch.ids, lengths, rows, batch.ends, begun=(layer, tokens))

    @cached_property
    def _fused(self) -> FusedModel | None:
        return FusedModel.of(self.model)

    @cached_property
    def _gives_tuples(self) -> bool:
        return gives_tuples(self.model)

"""What is trained: an adapter or the weights, put on the model and taken off again."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from undertow.errors import UserError
from undertow.models import (
    ChatModel,
    decoder_layers,
    gathered_mlp,
    layer_of,
    selected_logits,
    target_modules,
)
from undertow.models.adapters import restored
from undertow.models.fused import FusedModel
from undertow.models.lean import lean
from undertow.models.residual import begun_above
from undertow.training.batches import MicroBatch
from undertow.training.config import TrainConfig


@dataclass(frozen=True)
class Below:
    """What the layers that are not trained, below those that are, make of every row.

    Attributes:
        layer: The last of these layers.
        rows: What it puts out, `[position, d_model]`, by the `id` of the example.
        in_tuple: Whether the model's layers give their output in a tuple.
    """

    layer: int
    rows: dict[int, Tensor]
    in_tuple: bool

    def flat(self, batch: MicroBatch) -> Tensor:
        """Return the tokens of a micro-batch behind each other, `[token, d_model]`."""
        return torch.cat([self.rows[id(example)] for example in batch.examples])

    def padded(self, batch: MicroBatch) -> Tensor:
        """Return its rows side by side, `[row, position, d_model]`; zeros are the padding."""
        found = [self.rows[id(example)] for example in batch.examples]
        padded = found[0].new_zeros(*batch.ids.shape, found[0].shape[1])
        for place, hidden in zip(padded, found, strict=False):
            place[: len(hidden)] = hidden
        return padded


@dataclass(frozen=True)
class Trainable:
    """A model under training.

    Attributes:
        base: The model that is trained, or that wears the adapter.
        model: What is called.
        parameters: What is trained, by name; nothing else wants a gradient.
        fused: A faster road to the same logits, where there is one.
        below: What need not be computed again, where that is kept.
    """

    base: PreTrainedModel
    model: PreTrainedModel | PeftModel
    parameters: dict[str, nn.Parameter]
    fused: FusedModel | None = None
    below: Below | None = None

    def logits(self, batch: MicroBatch) -> Tensor:
        """Return `[n, vocab]`, the logits that predict a micro-batch's supervised tokens.

        There is no attention mask: the padding stands on the right, and no token looks there.
        """
        below = self.below
        if self.fused is not None:
            begun = (below.layer, below.flat(batch)) if below is not None else None
            places = (batch.ids, batch.lengths, batch.rows, batch.positions)
            return self.fused.logits(*places, begun=begun)
        model = cast(PreTrainedModel, self.model)
        with ExitStack() as stack:
            if below is not None:
                hidden = below.padded(batch)
                stack.enter_context(begun_above(self.base, below.layer, hidden, below.in_tuple))
            stack.enter_context(gathered_mlp(self.base, batch.rows, batch.positions))
            return selected_logits(model, batch.ids, None, batch.rows, batch.positions)

    def save(self, folder: Path) -> None:
        """Write the result: peft's own format, or `model.safetensors` with what was trained."""
        if isinstance(self.model, PeftModel):
            self.model.save_pretrained(str(folder), save_embedding_layers=False)
        else:
            tensors = {name: p.detach().contiguous() for name, p in self.parameters.items()}
            save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def trainable(chat: ChatModel, config: TrainConfig) -> AbstractContextManager[Trainable]:
    """Within, the model can be trained; afterwards it is bit for bit what it was.

    The model stays in evaluation mode: only the adapter's own dropout is switched on.

    Raises:
        UserError: A layer or a projection is not in the model.
    """
    _check_layers(chat, config)
    return _lora(chat, config) if config.method == "lora" else _full(chat, config)


@contextmanager
def _lora(chat: ChatModel, config: TrainConfig) -> Generator[Trainable]:
    """Put a fresh adapter on, its first weights drawn from `seed_init`."""
    peft_config = LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,  # pyright: ignore[reportArgumentType] # peft takes fractions too
        lora_dropout=config.dropout,
        target_modules=adapted_modules(chat.model, config),
        task_type="CAUSAL_LM",
    )
    with restored(chat.model):
        with torch.random.fork_rng():
            torch.manual_seed(config.seed_init)
            model = cast(PeftModel, get_peft_model(chat.model, peft_config))
        model.eval()
        for name, module in model.named_modules():
            module.training = "lora_dropout" in name
        wanted = {name: p for name, p in model.named_parameters() if p.requires_grad}
        with lean(chat.model):
            yield Trainable(chat.model, model, wanted, FusedModel.of(chat.model))


@contextmanager
def _full(chat: ChatModel, config: TrainConfig) -> Generator[Trainable]:
    """Train copies of the weights, in their own number format."""
    named = dict(chat.model.named_parameters())
    wanted = {
        name: parameter
        for name, parameter in named.items()
        if config.layers is None or layer_of(name) in config.layers
    }
    originals = {name: parameter.data for name, parameter in wanted.items()}
    with restored(chat.model):
        try:
            for name, parameter in named.items():
                parameter.requires_grad_(name in wanted)
            for parameter in wanted.values():
                parameter.data = parameter.data.clone()
            yield Trainable(chat.model, chat.model, wanted)
        finally:
            for name, parameter in wanted.items():
                parameter.data = originals[name]
                parameter.grad = None


def adapted_modules(model: PreTrainedModel, config: TrainConfig) -> list[str]:
    """Return the full names of the projections that get an adapter.

    Full names, not patterns: they cannot match a vision tower's layers of the same name.

    Raises:
        UserError: A projection that was named is in none of the layers.
    """
    modules = target_modules(model)
    known = dict.fromkeys(name.rsplit(".", 1)[1] for name in modules)
    for target in config.targets or []:
        if target not in known:
            raise UserError(
                f"the model has no projection '{target}'", fix=f"choose from {', '.join(known)}"
            )
    return [
        name
        for name in modules
        if (config.layers is None or layer_of(name) in config.layers)
        and (config.targets is None or name.rsplit(".", 1)[1] in config.targets)
    ]


def _check_layers(chat: ChatModel, config: TrainConfig) -> None:
    """Refuse layers that the model has not."""
    n_layers = len(decoder_layers(chat.model))
    absent = [layer for layer in config.layers or [] if not 0 <= layer < n_layers]
    if absent or config.layers == []:
        raise UserError(
            f"no such layer: {absent[0]}" if absent else "no layer is to be trained",
            where="layers",
            fix=f"choose from 0 to {n_layers - 1}",
        )

"""The size of a model, from its configuration alone: nothing of its weights is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedConfig

from undertow.errors import UserError
from undertow.models.chat_model import ModelSpec
from undertow.models.lab.load import lab_path
from undertow.models.layers import decoder_layers

BF16 = 2
"""Bytes of a number in bf16."""

TRAINED = 16
"""Bytes of a trained parameter: itself, its gradient and Adam's two moments, in float32."""


@dataclass(frozen=True)
class Shape:
    """What the arithmetic of a model rests on.

    Attributes:
        n_layers: Decoder layers.
        parameters: All parameters.
        layer_weights: Weights of the linear projections of all decoder layers together.
        ends: Inputs and outputs of those projections, added up.
        head_weights: Weights of the product that gives the logits: width times vocabulary.
        vocabulary: Logits of a position.
        attended: Heads times their width, over all layers: what a look at one position costs.
        cached: Numbers that a position leaves in the cache of keys and values.
    """

    n_layers: int
    parameters: int
    layer_weights: int
    ends: int
    head_weights: int
    vocabulary: int
    attended: int
    cached: int

    @property
    def weight_bytes(self) -> int:
        """Bytes of the weights in bf16."""
        return BF16 * self.parameters

    def adapter_parameters(self, rank: int) -> int:
        """Return the parameters of a LoRA adapter on every projection."""
        return rank * self.ends

    def forward_flops(
        self, tokens: float, looks: float, logits: float, *, share: float = 1.0
    ) -> float:
        """Return the operations of a forward pass; a multiplication and an addition are two.

        Args:
            tokens: Positions that go through the layers.
            looks: Positions that those attend to, added up.
            logits: Positions whose logits are computed.
            share: Share of the layers that it goes through.
        """
        layers = 2 * self.layer_weights * tokens + 4 * self.attended * looks
        return share * layers + 2 * self.head_weights * logits

    def backward_flops(
        self, tokens: float, looks: float, logits: float, *, share: float = 1.0, full: bool = False
    ) -> float:
        """Return the operations of a backward pass.

        Args:
            tokens: As in `forward_flops`.
            looks: As there.
            logits: As there.
            share: Share of the layers that it goes through.
            full: Whether the weights have gradients too, not only what flows through them.
        """
        products = 2 if full else 1
        layers = 2 * products * self.layer_weights * tokens + 8 * self.attended * looks
        return share * layers + 2 * products * self.head_weights * logits

    def training_bytes(
        self, tokens: float, logits: float, *, rank: int, share: float = 1.0, full: bool = False
    ) -> float:
        """Return the memory of training in bf16: weights, trained parameters, what is kept.

        Every projection's input and output is kept for the backward pass, and of logits a copy in
        bf16, one in float32 and its gradient.

        Args:
            tokens: Tokens of a micro-batch.
            logits: Positions of it whose logits are computed.
            rank: Of the adapter.
            share: Share of the layers that are trained through.
            full: Whether the weights themselves are trained.
        """
        trained = self.parameters if full else self.adapter_parameters(rank)
        kept = tokens * share * self.ends * BF16 + logits * self.vocabulary * (BF16 + 4 + 4)
        return self.weight_bytes + TRAINED * trained + kept

    def writing_bytes(self, rows: float, tokens: float) -> float:
        """Return the memory of writing so many rows at once: weights and cache, in bf16."""
        return self.weight_bytes + BF16 * rows * tokens * self.cached


def shape_of(config: PreTrainedConfig) -> Shape:
    """Return a model's shape; the layers are found by their structure."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    layers = decoder_layers(model)
    linear = [module for module in layers.modules() if isinstance(module, nn.Linear)]
    text = config.get_text_config()
    heads = int(text.num_attention_heads)
    width = int(getattr(text, "head_dim", None) or text.hidden_size // heads)
    groups = int(getattr(text, "num_key_value_heads", None) or heads)
    head = model.get_output_embeddings().weight
    return Shape(
        n_layers=len(layers),
        parameters=sum(one.numel() for one in model.parameters()),
        layer_weights=sum(one.weight.numel() for one in linear),
        ends=sum(one.in_features + one.out_features for one in linear),
        head_weights=head.numel(),
        vocabulary=head.shape[0],
        attended=len(layers) * heads * width,
        cached=len(layers) * 2 * groups * width,
    )


def read_shape(spec: ModelSpec) -> Shape:
    """Return the shape of a model of which only the configuration need be there.

    Raises:
        UserError: There is none.
    """
    ours = spec.name == "lab" or spec.name.startswith("lab:")
    place = lab_path() if ours else Path(spec.name).expanduser()
    try:
        return shape_of(AutoConfig.from_pretrained(str(place), revision=spec.revision))
    except (OSError, ValueError) as error:
        raise UserError(
            "cannot read the model's configuration",
            where=spec.name,
            fix="name a folder with its config.json, or a Hugging Face id with the network on",
        ) from error

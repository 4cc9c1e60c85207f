"""Decoder layers and their projections, found by structure; no model is known by name."""

from __future__ import annotations

from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from undertow.errors import UserError


def decoder_layers(model: PreTrainedModel) -> nn.ModuleList:
    """Return the decoder layers, first to last.

    They are the one list of `num_hidden_layers` modules that stands in the module which holds
    the text embedding; so the layers of a vision tower are not taken for them.

    Raises:
        UserError: The model has no such list, or several.
    """
    return _find_layers(model)[1]


def target_modules(model: PreTrainedModel) -> list[str]:
    """Return the full names of all linear projections inside the decoder layers, in order."""
    prefix, layers = _find_layers(model)
    return [
        f"{prefix}.{name}"
        for name, module in layers.named_modules()
        if isinstance(module, nn.Linear | Conv1D)
    ]


def layer_of(parameter_name: str) -> int | None:
    """Return the index of the decoder layer that a parameter or module name lies in.

    None for what lies in no layer, as embeddings do.
    """
    numbers = (part for part in parameter_name.split(".") if part.isdigit())
    return int(first) if (first := next(numbers, None)) is not None else None


def _find_layers(model: PreTrainedModel) -> tuple[str, nn.ModuleList]:
    """Return the layers with their full name in the model."""
    count = model.config.get_text_config().num_hidden_layers
    embedding = model.get_input_embeddings()
    for name, module in model.named_modules():
        if not any(child is embedding for child in module.children()):
            continue
        found = [
            (f"{name}.{inner}".lstrip("."), child)
            for inner, child in module.named_modules()
            if isinstance(child, nn.ModuleList) and len(child) == count
        ]
        if len(found) == 1:
            return found[0]
    raise UserError(
        f"cannot tell the {count} decoder layers of {type(model).__name__} from its structure",
        fix="use a decoder with one list of as many layers as its configuration says",
    )

"""Put an adapter, or fully fine-tuned weights, on a model for a while."""

from __future__ import annotations

import warnings
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import torch
from peft import PeftModel
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors.torch import load_file
from torch import nn
from transformers import PreTrainedModel

from undertow.errors import UserError
from undertow.models.chat_model import ChatModel
from undertow.models.lean import lean

# peft asks transformers by an attribute that is to be renamed; nothing that a user could mend.
warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)

MERGED_DTYPES = (torch.float32, torch.float64)


@contextmanager
def activated(chat: ChatModel, adapter: str | Path | None) -> Generator[PreTrainedModel]:
    """Within, the model carries an adapter; afterwards it is bit for bit what it was.

    In float32 and float64 the adapter is merged into the weights, which costs nothing at run
    time. Coarser formats would round a small change away, so there it is added at run time, as
    peft does it but for the number format (`lean`).

    Args:
        chat: The base model.
        adapter: A folder in peft's format, or one with `model.safetensors` (full fine-tuning);
            None for the base itself.

    Yields:
        The model to call in place of `chat.model`.

    Raises:
        UserError: The folder is neither, or was made for another model.
    """
    folder = Path(adapter) if adapter is not None else None
    if folder is None:
        with lean(chat.model):
            yield chat.model
    elif (folder / "adapter_config.json").is_file():
        with restored(chat.model):
            peft_model = _load_adapter(chat.model, folder)
            if chat.model.dtype in MERGED_DTYPES:
                with _replaced_data(_wrapped_parameters(chat.model)):
                    yield cast(PreTrainedModel, peft_model.merge_and_unload())
            else:
                with lean(chat.model):
                    yield cast(PreTrainedModel, peft_model)
    elif (folder / "model.safetensors").is_file():
        tensors = load_file(folder / "model.safetensors")
        parameters = _named_parameters(chat.model, tensors, folder)
        with _replaced_data(parameters.values()):
            for name, parameter in parameters.items():
                parameter.data.copy_(tensors[name])
            with lean(chat.model):
                yield chat.model
    else:
        raise UserError(
            "no adapter here",
            where=str(folder),
            fix="name a folder with adapter_config.json (peft) or model.safetensors",
        )


def _load_adapter(model: PreTrainedModel, folder: Path) -> PeftModel:
    """Wrap the model with peft, for inference."""
    try:
        return PeftModel.from_pretrained(model, folder).eval()
    except (RuntimeError, ValueError, OSError) as error:
        reason = str(error).strip().split("\n")[0]
        raise UserError(
            f"the adapter does not fit the model: {reason}",
            where=str(folder),
            fix="use the base model that it was trained on",
        ) from error


@contextmanager
def restored(model: nn.Module) -> Generator[None]:
    """Afterwards every module stands in its place again and wants the gradients it wanted."""
    modules = dict(model.named_modules())
    wanted = {parameter: parameter.requires_grad for parameter in model.parameters()}
    try:
        yield
    finally:
        for name, module in modules.items():
            if name and model.get_submodule(name) is not module:
                model.set_submodule(name, module)
        for parameter, requires_grad in wanted.items():
            parameter.requires_grad_(requires_grad)
        if hasattr(model, "peft_config"):
            del model.peft_config


@contextmanager
def _replaced_data(parameters: Iterable[nn.Parameter]) -> Generator[None]:
    """Within, the parameters hold copies; afterwards their own tensors, never written to."""
    originals = [(parameter, parameter.data) for parameter in dict.fromkeys(parameters)]
    try:
        for parameter, data in originals:
            parameter.data = data.clone()
        yield
    finally:
        for parameter, data in originals:
            parameter.data = data


def _wrapped_parameters(model: nn.Module) -> list[nn.Parameter]:
    """Return the base parameters that peft has put a layer around."""
    wrapped = (module for module in model.modules() if isinstance(module, BaseTunerLayer))
    return [parameter for module in wrapped for parameter in module.get_base_layer().parameters()]


def _named_parameters(
    model: nn.Module, tensors: dict[str, torch.Tensor], folder: Path
) -> dict[str, nn.Parameter]:
    """Return the model's parameters under the names of a state that is to be put in."""
    parameters = dict(model.named_parameters(remove_duplicate=False))
    unfit = [
        name
        for name, tensor in tensors.items()
        if name not in parameters or parameters[name].shape != tensor.shape
    ]
    if unfit:
        raise UserError(
            f"the weights do not fit the model: {', '.join(unfit[:3])}",
            where=str(folder),
            fix="use the base model that they were trained from",
        )
    return {name: parameters[name] for name in tensors}

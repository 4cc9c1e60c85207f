"""Load a chat model, and know of it what the other rooms ask."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal, cast

import torch
from pydantic import Field
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils.hub import cached_file, extract_commit_hash
from transformers.utils.logging import disable_progress_bar

from undertow.errors import UserError
from undertow.frozen import Frozen
from undertow.models import template

DType = Literal["auto", "float32", "bfloat16", "float64"]


class ModelSpec(Frozen):
    """Which model, and how it is held in memory."""

    name: str = Field("lab", description="'lab', a folder, or a Hugging Face model id.")
    revision: str | None = Field(None, description="Branch, tag or commit of a Hugging Face model.")
    dtype: DType = Field(
        "auto",
        description="Number format of the weights; auto: as stored on a GPU, float32 on a CPU.",
    )
    device: str = Field("auto", description="'cpu', 'cuda', 'cuda:1', ...; auto: a GPU if any.")

    def of(self, text: str) -> ModelSpec:
        """Return the spec of another model: `NAME`, or `ORG/NAME@REVISION`.

        Without a revision it is the model's newest: one belongs to the model that it was given
        with.
        """
        name, _, revision = text.partition("@") if _local_folder(text) is None else (text, "", "")
        return self.model_copy(update={"name": name, "revision": revision or None})

    @property
    def place(self) -> str:
        """What other programs load it by: the path of a folder, or a Hugging Face id."""
        folder = _local_folder(self.name)
        return self.name if folder is None else str(folder.absolute())


@dataclass(frozen=True, eq=False)
class ChatModel:
    """A causal language model with its tokenizer and chat template.

    Attributes:
        model: The base model, in evaluation mode.
        tokenizer: Its tokenizer; has a chat template.
        spec: What was asked for, with the commit that it led to; loads the same model again.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    spec: ModelSpec

    @cached_property
    def encoded(self) -> dict[tuple[tuple[str, str], ...], tuple[tuple[int, ...], int]]:
        """Prompts that were encoded already (`chat.encode_prompt`)."""
        return {}

    @property
    def device(self) -> torch.device:
        """Where the model's inputs go."""
        return cast(torch.Tensor, self.model.get_input_embeddings().weight).device

    @property
    def n_layers(self) -> int:
        """Number of decoder layers."""
        return int(self.model.config.get_text_config().num_hidden_layers)

    @property
    def attention(self) -> str:
        """Which implementation of attention runs, by transformers' name for it."""
        config: Any = self.model.config.get_text_config()
        return str(config._attn_implementation)

    @cached_property
    def pad_id(self) -> int:
        """A token to fill up batches with; always masked, so any valid id will do."""
        pad = cast(int | None, self.tokenizer.pad_token_id)
        return pad if pad is not None else (self.end_ids[0] if self.end_ids else 0)

    @cached_property
    def end_ids(self) -> tuple[int, ...]:
        """Tokens that end an assistant turn; the one that the template writes stands first.

        Gemma ends turns with a token that is not the `eos_token` of its tokenizer, hence the
        union of the template's token with those of the generation config.
        """
        configured: Any = getattr(self.model.generation_config, "eos_token_id", None)
        listed = cast(
            list[int | None], configured if isinstance(configured, list) else [configured]
        )
        found = [*template.end_of_turn(self.tokenizer), *(one for one in listed if one is not None)]
        return tuple(dict.fromkeys(found))

    @cached_property
    def has_system_role(self) -> bool:
        """Whether the template takes a system message; found by rendering one."""
        return template.takes_system_message(self.tokenizer)

    @cached_property
    def fingerprint(self) -> str:
        """What the model is: a hash of its files or name@commit, with its number format."""
        path = _local_folder(self.spec.name)
        if path is not None:
            origin = _folder_hash(path)
        else:
            origin = f"{self.spec.name}@{self.spec.revision or 'main'}"
        return f"{origin}:{str(self.model.dtype).removeprefix('torch.')}"


def load_model(spec: ModelSpec) -> ChatModel:
    """Load a model for inference: evaluation mode, no gradients on the weights.

    Attention runs through PyTorch's `scaled_dot_product_attention`, which takes any mask and any
    number format on every device and needs no package beyond PyTorch; where a model's attention
    has something that this lacks, as Gemma 2's soft cap, through plain matrix products. Code that
    comes with a model is never run. A branch or tag is resolved to its commit once, for all files.

    Raises:
        UserError: There is no such model, or it has no chat template, or needs code of its own.
    """
    folder = _local_folder(spec.name)
    place: str = str(folder) if folder is not None else spec.name
    device = _device(spec.device)
    disable_progress_bar()  # the caller's own display shows what goes on
    dtype = "float32" if spec.dtype == "auto" and device.type == "cpu" else spec.dtype
    try:
        if folder is None:
            spec = spec.model_copy(update={"revision": _commit(spec)})
        tokenizer = AutoTokenizer.from_pretrained(
            place, revision=spec.revision, trust_remote_code=False
        )
        model = AutoModelForCausalLM.from_pretrained(
            place, revision=spec.revision, trust_remote_code=False, dtype=dtype
        )
    except Exception as error:  # each of the libraries below has its own for a broken file
        raise _not_loaded(spec, folder, error) from error
    _check_template(tokenizer, spec)
    placed = cast(PreTrainedModel, cast(nn.Module, model).to(device))
    return ChatModel(placed.eval().requires_grad_(False), tokenizer, spec)


def load_tokenizer(spec: ModelSpec) -> ChatModel:
    """Load all of a model but its weights: for rendering and tokenising, in seconds at any size.

    Raises:
        UserError: There is no such model, or it has no chat template.
    """
    folder = _local_folder(spec.name)
    place: str = str(folder) if folder is not None else spec.name
    try:
        tokenizer = AutoTokenizer.from_pretrained(place, revision=spec.revision)
        config = AutoConfig.from_pretrained(place, revision=spec.revision)
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config)
    except Exception as error:  # as in `load_model`
        raise _not_loaded(spec, folder, error) from error
    with suppress(OSError):  # there need not be one; that of the model's configuration stays
        model.generation_config = GenerationConfig.from_pretrained(
            place, revision=spec.revision or "main"
        )
    _check_template(tokenizer, spec)
    return ChatModel(model.eval().requires_grad_(False), tokenizer, spec)


def _check_template(tokenizer: PreTrainedTokenizerBase, spec: ModelSpec) -> None:
    """Refuse a model that is not for chats."""
    if getattr(tokenizer, "chat_template", None) is None:
        raise UserError(
            "the model has no chat template",
            where=spec.name,
            fix="use an instruction-tuned model, or save a chat_template.jinja beside it",
        )


def _commit(spec: ModelSpec) -> str | None:
    """Return the commit that a Hugging Face id and revision lead to, in the cache if offline."""
    path = cached_file(spec.name, "config.json", revision=spec.revision)
    return extract_commit_hash(path, None) or spec.revision


def _device(name: str) -> torch.device:
    """Return the device of that name; 'auto' is the first GPU, or else the CPU."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UserError(
            f"cannot use the device '{name}'", fix="use 'auto', 'cpu' or 'cuda'"
        ) from error
    return device


def _local_folder(name: str) -> Path | None:
    """Return the folder that a name stands for, or None for a Hugging Face id."""
    if name == "lab":
        from undertow.models.lab.load import lab_path  # the lab room is the larger of the two

        return lab_path()
    path = Path(name).expanduser()
    return path if path.is_dir() else None


def _not_loaded(spec: ModelSpec, folder: Path | None, error: Exception) -> UserError:
    """Say what was looked for, and how to have it found."""
    reason = str(error).strip().split("\n")[0]
    if "trust_remote_code" in str(error):
        return UserError(
            "the model needs code that comes with it, and such code is never run",
            where=spec.name,
            fix="use a model whose architecture is part of transformers",
        )
    if folder is not None:
        return UserError(
            f"the folder does not hold a model that loads: {reason}",
            where=str(folder),
            fix="it needs config.json, weights in safetensors, and the tokenizer's files",
        )
    at = f" at revision '{spec.revision}'" if spec.revision else ""
    return UserError(
        f"unknown model '{spec.name}'{at}: not 'lab', not a folder here, and not to be had as a"
        f" Hugging Face model ({reason})",
        fix="check the spelling; private models need `hf auth login`, and a first use the network",
    )


def _folder_hash(folder: Path) -> str:
    """Return a hash of the files that decide what a model computes, whatever their place."""
    names = sorted(
        path.name
        for path in folder.iterdir()
        if path.suffix in {".json", ".safetensors", ".jinja", ".model", ".txt"}
    )
    digest = hashlib.sha256()
    for name in names:
        digest.update(f"{name}:{file_hash(folder / name)}\n".encode())
    return digest.hexdigest()[:32]


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file; remembered while its size and time stay the same."""
    stat = os.stat(path)
    return _cached_hash(path.resolve(), stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=1024)
def _cached_hash(path: Path, mtime_ns: int, size: int) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()

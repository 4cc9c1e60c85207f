"""A vLLM server for some teachers: started, or found; and what it cannot do."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch

from undertow.cluster.engine import VllmEngine
from undertow.cluster.http import key_headers
from undertow.cluster.vllm_server import Server, started
from undertow.errors import UserError
from undertow.generate.vllm.client import BASE_NAME, VllmClient
from undertow.models import ChatModel
from undertow.teachers import Teacher

FORMATS = {torch.float32: "float32", torch.bfloat16: "bfloat16", torch.float16: "float16"}
RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""What vLLM takes for the largest rank of an adapter."""

WITHOUT = "leave out --engine: transformers can do it"


@contextmanager
def opened(
    engine: VllmEngine, chat: ChatModel, teachers: Sequence[Teacher]
) -> Generator[VllmClient]:
    """Yield a connection to a server that has the model and the teachers' adapters.

    A server that is started here ends with the block. From one that was there, the adapters that
    were loaded go again.

    Args:
        engine: Which.
        chat: The base model; a server that is started loads it in the same number format.
        teachers: Who will be asked.

    Raises:
        UserError: A teacher cannot be served, or the server is not to be had.
    """
    check_served(teachers)
    place = nullcontext(_found(engine)) if engine.url else _started(engine, chat, teachers)
    with place as server:
        client = VllmClient(engine, server)
        try:
            for teacher in teachers:
                client.adapter(teacher.adapter)
            yield client
        finally:
            client.close()


def check_served(teachers: Sequence[Teacher]) -> None:
    """Refuse teachers that vLLM cannot be.

    Raises:
        UserError: One is steered, or has other weights than the base and an adapter.
    """
    for teacher in teachers:
        if teacher.steering is not None:
            raise UserError(
                "a steered teacher does not run on vLLM, which lets nobody change what its layers "
                "compute",
                where=teacher.label,
                fix=WITHOUT,
            )
        if teacher.adapter is None:
            continue
        folder = Path(teacher.adapter)
        if (folder / "model.safetensors").is_file():
            raise UserError(
                "vLLM serves LoRA adapters; these weights are a full fine-tuning",
                where=str(folder),
                fix=WITHOUT,
            )
        if not (folder / "adapter_model.safetensors").is_file():
            raise UserError(
                "the adapter has no adapter_model.safetensors", where=str(folder), fix=WITHOUT
            )
        if _adapter_config(folder).get("use_dora"):
            raise UserError("vLLM does not serve DoRA", where=str(folder), fix=WITHOUT)


def _found(engine: VllmEngine) -> Server:
    """Return the server that is there, with its key from the environment."""
    root = str(engine.url).rstrip("/").removesuffix("/v1")
    return Server(root, key_headers(engine.api_key_env, "engine.api_key_env"))


@contextmanager
def _started(engine: VllmEngine, chat: ChatModel, teachers: Sequence[Teacher]) -> Generator[Server]:
    """Start a server for the model and the teachers."""
    dtype = FORMATS.get(chat.model.dtype)
    if dtype is None:
        raise UserError(
            f"vLLM does not compute in {str(chat.model.dtype).removeprefix('torch.')}",
            where="model.dtype",
            fix=f"use {' or '.join(FORMATS.values())}, or leave out --engine",
        )
    arguments = ["--served-model-name", BASE_NAME, "--dtype", dtype, "--generation-config", "vllm"]
    if chat.spec.revision is not None:
        arguments += ["--revision", chat.spec.revision]
    if folders := [Path(one.adapter) for one in teachers if one.adapter is not None]:
        rank = max(map(_rank, folders))
        largest = next((one for one in RANKS if one >= rank), rank)
        arguments += ["--enable-lora", "--max-lora-rank", str(largest)]
    with started(engine, chat.spec.place, arguments) as server:
        yield server


def _rank(folder: Path) -> int:
    """Return the largest rank in an adapter."""
    config = _adapter_config(folder)
    return max(int(config["r"]), *map(int, config.get("rank_pattern", {}).values()), 1)


def _adapter_config(folder: Path) -> dict[str, Any]:
    """Return what peft wrote of an adapter.

    Raises:
        UserError: It cannot be read.
    """
    path = folder / "adapter_config.json"
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise UserError("cannot read the adapter", where=str(path)) from error

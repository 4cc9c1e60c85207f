"""Completions for many prompts, seeded row by row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from transformers import PreTrainedModel

from undertow.generate.cache import BlockCache
from undertow.generate.config import GenerationConfig, Request
from undertow.generate.decode import batch_shape, decode
from undertow.generate.prefill import prefill, prefill_prefix, shared_prefix
from undertow.generate.sampling import row_uniforms
from undertow.models import ChatModel, activated, prompt_ids, system_messages

Progress = Callable[[int, int], None]
"""Called with (rows done, rows in all)."""


def generate(
    chat: ChatModel,
    requests: Sequence[Request],
    config: GenerationConfig,
    *,
    system_prompt: str | None = None,
    adapter: str | Path | None = None,
    progress: Progress | None = None,
) -> list[list[int]]:
    """Return the token ids of a completion per request, end token included where it came.

    The random numbers of a row depend on the seed and its id alone, so a row gets the same
    completion in any batch, but for the rounding of the logits. What all prompts begin with is
    computed once, and requests with equal messages share their prompt pass.

    Args:
        chat: The base model.
        requests: What to answer.
        config: How.
        system_prompt: Put in front of every request's messages; None adds no system message.
        adapter: Folder of an adapter to generate with; None for the base.
        progress: Told of every batch that is done.
    """
    if not requests:
        return []
    prompts = encoded_prompts(chat, requests, system_prompt)
    order = sorted(range(len(requests)), key=lambda index: (len(prompts[index]), prompts[index]))
    completions: list[list[int]] = [[] for _ in requests]
    with activated(chat, adapter) as model, torch.no_grad():
        prefix = shared_prefix(prompts)
        job = _Job(chat, model, config, prefill_prefix(model, prefix, chat.n_layers), len(prefix))
        for start in range(0, len(order), config.batch_size):
            batch = order[start : start + config.batch_size]
            row_ids = [requests[index].row_id for index in batch]
            found = job.run([prompts[index] for index in batch], row_ids)
            for index, completion in zip(batch, found, strict=True):
                completions[index] = completion
            if progress is not None:
                progress(start + len(batch), len(order))
    return completions


@dataclass(frozen=True)
class _Job:
    """What all batches of a job have in common."""

    chat: ChatModel
    model: PreTrainedModel
    config: GenerationConfig
    prefix: BlockCache
    prefix_length: int

    def run(self, prompts: Sequence[tuple[int, ...]], row_ids: Sequence[int]) -> list[list[int]]:
        """Generate one batch of prompts, shortest first; equal ones stand beside each other."""
        copies = Counter(prompts)
        fillers = batch_shape(len(prompts), self.config.batch_size) - len(prompts)
        copies[prompts[-1]] += fillers
        suffixes = [prompt[self.prefix_length :] for prompt in copies]
        pad_id, values = self.chat.pad_id, list(copies.values())
        state = prefill(self.model, self.prefix, suffixes, values, pad_id)
        uniforms = self._uniforms(row_ids)
        return decode(self.model, state, len(row_ids), uniforms, self.chat.end_ids, self.config)

    def _uniforms(self, row_ids: Sequence[int]) -> Tensor:
        """Return `[row, step]` random numbers; float32 would round the sampling's order."""
        drawn = row_uniforms(self.config.seed, row_ids, self.config.max_new_tokens)
        return torch.from_numpy(drawn).to(self.model.device)


def encoded_prompts(
    chat: ChatModel, requests: Sequence[Request], system_prompt: str | None
) -> list[tuple[int, ...]]:
    """Return the prompt ids of every request; equal messages are rendered once."""
    system = system_messages(system_prompt)
    known: dict[tuple[tuple[str, str], ...], tuple[int, ...]] = {}
    prompts: list[tuple[int, ...]] = []
    for request in requests:
        key = tuple((message["role"], message["content"]) for message in request.messages)
        if key not in known:
            known[key] = tuple(prompt_ids(chat, [*system, *request.messages]))
        prompts.append(known[key])
    return prompts

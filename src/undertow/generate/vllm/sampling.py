"""Completions of a vLLM server: prompts go there as token ids, and token ids come back."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from undertow.generate.config import GenerationConfig
from undertow.generate.generate import Progress
from undertow.generate.vllm.client import VllmClient
from undertow.generate.vllm.journal import Journal
from undertow.generate.vllm.replies import Nonsense, Question, token_list

NEUTRAL = {
    "min_p": 0.0,
    "repetition_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
}
"""What would be taken from the model's own generation config if it were not said."""


def write(
    client: VllmClient,
    name: str,
    prompts: Sequence[Sequence[int]],
    row_ids: Sequence[int],
    config: GenerationConfig,
    end_ids: Sequence[int],
    *,
    journal: Journal | None = None,
    progress: Progress | None = None,
) -> list[list[int]]:
    """Return the token ids of a completion per prompt, end token included where it came.

    A row's random numbers come from the seed and its id, and are vLLM's own: the completions are
    others than transformers', and rounding, which depends on what else runs, may change some.

    Args:
        client: The server.
        name: Of the model or adapter there.
        prompts: Rendered prompts.
        row_ids: Of each.
        config: How completions are drawn.
        end_ids: Tokens that end a turn; nothing else does.
        journal: Keeps them.
        progress: Told of every completion.

    Raises:
        UserError: The server gives no answer, or cuts completions short.
    """
    bodies = (
        _request(name, prompt, row_id, config, end_ids)
        for prompt, row_id in zip(prompts, row_ids, strict=True)
    )
    questions = [Question(body, functools.partial(_read, body)) for body in bodies]
    found = client.ask_all(questions, journal=journal, progress=progress)
    if any(len(ids) < config.max_new_tokens and ids[-1] not in end_ids for ids in found):
        raise client.error(
            "the server cuts completions short: prompt and completion are longer than its models "
            "may read",
            "start it with a larger --max-model-len",
        )
    return found


def _request(
    name: str,
    prompt: Sequence[int],
    row_id: int,
    config: GenerationConfig,
    end_ids: Sequence[int],
) -> dict[str, Any]:
    """Return what is sent; all that the server might have a default for is said."""
    key = np.array([config.seed, row_id], dtype=np.uint64)
    return {
        "model": name,
        "prompt": list(prompt),
        "max_tokens": config.max_new_tokens,
        "temperature": config.temperature,
        "top_p": config.top_p,
        "top_k": config.top_k,
        "seed": int(np.random.Generator(np.random.Philox(key=key)).integers(2**63)),
        "stop_token_ids": list(end_ids),
        "ignore_eos": True,  # the tokens above alone end a turn, as with transformers
        "return_token_ids": True,
        **NEUTRAL,
    }


def _read(asked: dict[str, Any], choice: dict[str, Any]) -> list[int]:
    """Return the completion."""
    if token_list(choice.get("prompt_token_ids")) != asked["prompt"]:
        raise Nonsense("the response is to another prompt")
    ids = token_list(choice.get("token_ids"))
    reason = choice.get("finish_reason")
    if not ids:
        raise Nonsense("the completion is empty")
    ended = ids[-1] in asked["stop_token_ids"]
    if reason not in ("stop", "length") or (reason == "stop") != ended:
        raise Nonsense(f"the completion ends for the reason {reason!r}")
    if len(ids) > asked["max_tokens"] or any(one in asked["stop_token_ids"] for one in ids[:-1]):
        raise Nonsense("the completion goes on behind its end")
    return ids

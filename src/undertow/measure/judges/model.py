"""A local chat model as judge."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from undertow.frozen import Frozen
from undertow.generate import GenerationConfig, Request, generate
from undertow.measure.judges.asking import Reply, judge_by_asking
from undertow.measure.judges.judge import Judgement
from undertow.models import ChatModel, ModelSpec, decode_completion, load_model, prompt_messages


class ModelJudgeConfig(Frozen):
    """Ask a local chat model for two numbers."""

    kind: Literal["model"] = Field(default="model", description="Tells the judges apart.")
    model: ModelSpec = Field(description="The judge: a folder, or a Hugging Face id.")
    temperature: float = Field(
        default=1.0, ge=0, description="Of its replies; 0 is greedy, and asking again then idle."
    )
    max_new_tokens: int = Field(default=8, ge=1, description="Longest reply, in tokens.")
    seed: int = Field(default=0, ge=0, lt=2**63, description="Of its replies.")
    attempts: int = Field(
        default=3, ge=1, description="Times that it is asked for a score, each with another seed."
    )
    batch_size: int = Field(default=32, ge=1, description="Replies decoded at once.")


class ModelJudge:
    """Asks a chat model of this machine.

    A judgement depends on question, answer and seed alone, not on what else is judged.
    """

    def __init__(self, config: ModelJudgeConfig, chat: ChatModel | None = None) -> None:
        """Load the model, unless it is there already.

        Raises:
            UserError: There is no such model.
        """
        self._config = config
        self._chat = chat or load_model(config.model)

    def judge(self, pairs: Sequence[tuple[str, str]]) -> list[Judgement]:
        """Return a judgement for each (question, answer)."""
        return judge_by_asking(pairs, self._ask, self._config.attempts)

    def _ask(self, prompts: Sequence[str], attempt: int) -> list[Reply]:
        """Put prompts to the model."""
        requests = [Request(prompt_messages(prompt), _row_id(prompt)) for prompt in prompts]
        settings = GenerationConfig(
            temperature=self._config.temperature,
            max_new_tokens=self._config.max_new_tokens,
            seed=self._config.seed + attempt,
            batch_size=self._config.batch_size,
        )
        replies = generate(self._chat, requests, settings)
        return [Reply(decode_completion(self._chat, ids)) for ids in replies]


def _row_id(prompt: str) -> int:
    """Return the number that the sampling of a reply hangs on."""
    return int.from_bytes(hashlib.sha256(prompt.encode()).digest()[:8])

"""A vLLM server answers a channel's prompts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from undertow.channels import ChannelPrompt
from undertow.generate.generate import Progress, encoded_prompts
from undertow.generate.rows import checked_rows, requests_of
from undertow.generate.vllm.client import VllmClient
from undertow.generate.vllm.journal import Journal
from undertow.generate.vllm.sampling import write
from undertow.generate.writing import Writing, facts_of
from undertow.models import ChatModel
from undertow.store.row import Row


class AnswersThere:
    """A server answers; the chat is rendered and read here.

    Args:
        writing: What is asked.
        chat: The base model; its weights are not used.
        client: The server.
        journal: Keeps answers as they come.
    """

    def __init__(
        self, writing: Writing, chat: ChatModel, client: VllmClient, journal: Journal
    ) -> None:
        self._writing = writing
        self._chat = chat
        self._client = client
        self._journal = journal

    @property
    def facts(self) -> dict[str, Any]:
        """What there is to say of the model."""
        return {**facts_of(self._chat), "engine": {"kind": "vllm", "version": self._client.version}}

    def __call__(
        self,
        prompts: Sequence[ChannelPrompt],
        *,
        first_row_id: int = 0,
        progress: Progress | None = None,
    ) -> list[Row]:
        """Return a row per prompt, in order."""
        writing, chat = self._writing, self._chat
        requests = requests_of(prompts, first_row_id)
        completions = write(
            self._client,
            self._client.adapter(writing.teacher.adapter),
            encoded_prompts(chat, requests, writing.teacher.system_prompt),
            [request.row_id for request in requests],
            writing.config,
            chat.end_ids,
            journal=self._journal,
            progress=progress,
        )
        return checked_rows(chat, requests, prompts, completions, writing.channel, writing.banned)

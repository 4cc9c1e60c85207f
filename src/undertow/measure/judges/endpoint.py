"""A judge behind an OpenAI-compatible endpoint, `/v1/chat/completions`."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

from pydantic import Field

from undertow.cluster.http import HttpProblem, key_headers, send
from undertow.errors import UserError
from undertow.frozen import Frozen
from undertow.measure.judges.asking import Reply, judge_by_asking
from undertow.measure.judges.judge import Judgement

REFUSED = {401: "check the API key", 403: "check the API key", 404: "check base_url and model"}
"""HTTP codes that no retry mends, and what does."""
LONGEST_RESPONSE = 1 << 20  # bytes


class EndpointJudgeConfig(Frozen):
    """Ask a model behind an endpoint for two numbers."""

    kind: Literal["endpoint"] = Field(default="endpoint", description="Tells the judges apart.")
    base_url: str = Field(
        pattern=r"^https?://\S+$",
        description="Where '/chat/completions' is added, as in 'http://localhost:8000/v1'.",
    )
    model: str = Field(min_length=1, description="Name of the model at the endpoint.")
    api_key_env: str | None = Field(
        default=None, description="Environment variable with the API key; none: no key is sent."
    )
    temperature: float = Field(default=1.0, ge=0, description="Of its replies.")
    max_new_tokens: int = Field(default=8, ge=1, description="Longest reply, in tokens.")
    seed: int = Field(default=0, ge=0, lt=2**31, description="Of its replies, where it takes one.")
    attempts: int = Field(
        default=3, ge=1, description="Times that it is asked for a score, each with another seed."
    )
    timeout: float = Field(default=60.0, gt=0, description="Longest wait for a reply, in seconds.")
    backoff: float = Field(
        default=1.0, ge=0, description="Seconds before the second attempt; doubled for each after."
    )
    concurrency: int = Field(default=8, ge=1, description="Requests that run at once.")


class EndpointJudge:
    """Asks a model behind an endpoint, several prompts at a time."""

    def __init__(self, config: EndpointJudgeConfig) -> None:
        """Take the API key from the environment.

        Raises:
            UserError: The variable that the config names is not set.
        """
        self._config = config
        self._headers = key_headers(config.api_key_env, "judge.api_key_env")

    @property
    def url(self) -> str:
        """Where requests go."""
        return f"{self._config.base_url.rstrip('/')}/chat/completions"

    def judge(self, pairs: Sequence[tuple[str, str]]) -> list[Judgement]:
        """Return a judgement for each (question, answer).

        Raises:
            UserError: The endpoint cannot be reached, or refuses the key or the model.
        """
        return judge_by_asking(pairs, self._ask, self._config.attempts)

    def _ask(self, prompts: Sequence[str], attempt: int) -> list[Reply]:
        """Put prompts to the endpoint; all attempts but the first wait before."""
        if attempt:
            time.sleep(self._config.backoff * 2 ** (attempt - 1))
        pool = ThreadPoolExecutor(self._config.concurrency)
        try:
            return list(pool.map(lambda prompt: self._reply(prompt, attempt), prompts))
        finally:
            pool.shutdown(cancel_futures=True)  # an error ends what has not begun

    def _reply(self, prompt: str, attempt: int) -> Reply:
        """Put one prompt; whatever another attempt may mend comes back as a problem."""
        try:
            return _content(self._post(prompt, attempt))
        except HttpProblem as problem:
            if problem.code in REFUSED:
                raise self._error(f"answers with {problem}", REFUSED[problem.code]) from problem
            if problem.unreachable and attempt + 1 == self._config.attempts:
                what = f"cannot be reached: {problem.text.removeprefix('no connection: ')}"
                raise self._error(what, "start it, or check base_url") from problem
            return Reply(None, problem.text)

    def _post(self, prompt: str, attempt: int) -> bytes:
        """Return the body of the endpoint's response."""
        body = {
            "model": self._config.model,
            "messages": [{"role": "user", "content": prompt}],
            "temperature": self._config.temperature,
            "max_tokens": self._config.max_new_tokens,
            "seed": self._config.seed + attempt,
        }
        return send(
            self.url,
            body,
            headers=self._headers,
            timeout=self._config.timeout,
            longest=LONGEST_RESPONSE,
        )

    def _error(self, what: str, fix: str) -> UserError:
        return UserError(f"the judge's endpoint {what}", where=self.url, fix=fix)


def _content(body: bytes) -> Reply:
    """Return what the model wrote."""
    try:
        parsed: Any = json.loads(body)
        content = parsed["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError):
        return Reply(None, "the response is no chat completion")
    return Reply(content) if isinstance(content, str) else Reply(None, "the response has no text")

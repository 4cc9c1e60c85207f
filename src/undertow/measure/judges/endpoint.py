"""A judge behind an OpenAI-compatible endpoint, `/v1/chat/completions`."""

from __future__ import annotations

import json
import os
import socket
import ssl
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException, InvalidURL
from typing import Any, Literal
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from pydantic import BaseModel, ConfigDict, Field

from undertow.errors import UserError
from undertow.measure.judges.asking import Reply, judge_by_asking
from undertow.measure.judges.judge import Judgement

REFUSED = {401: "check the API key", 403: "check the API key", 404: "check base_url and model"}
"""HTTP codes that no retry mends, and what does."""
UNREACHABLE = (ConnectionRefusedError, socket.gaierror, InvalidURL, ssl.SSLCertVerificationError)
LONGEST_RESPONSE = 1 << 20  # bytes


class EndpointJudgeConfig(BaseModel):
    """Ask a model behind an endpoint for two numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

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
        self._headers: dict[str, str] = {}
        if config.api_key_env is not None:
            key = os.environ.get(config.api_key_env, "").strip()
            if not key:
                raise UserError(
                    f"the environment variable {config.api_key_env} is not set",
                    where="judge.api_key_env",
                    fix="export it with the API key of the endpoint",
                )
            self._headers["Authorization"] = f"Bearer {key}"

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
        except HTTPError as error:
            if error.code in REFUSED:
                raise self._error(f"answers with HTTP {error.code}", REFUSED[error.code]) from error
            return Reply(None, f"HTTP {error.code}")
        except TimeoutError:
            return Reply(None, "timed out")
        except (OSError, HTTPException) as error:
            reason = error.reason if isinstance(error, URLError) else error
            if isinstance(reason, TimeoutError):
                return Reply(None, "timed out")
            is_last = attempt + 1 == self._config.attempts
            if is_last and isinstance(reason, UNREACHABLE):
                fix = "start it, or check base_url"
                raise self._error(f"cannot be reached: {reason}", fix) from error
            return Reply(None, f"no connection: {reason}")

    def _post(self, prompt: str, attempt: int) -> bytes:
        """Return the body of the endpoint's response."""
        body = {
            "model": self._config.model,
            "messages": [{"role": "user", "content": prompt}],
            "temperature": self._config.temperature,
            "max_tokens": self._config.max_new_tokens,
            "seed": self._config.seed + attempt,
        }
        request = Request(self.url, json.dumps(body).encode(), {"Content-Type": "application/json"})
        for name, value in self._headers.items():
            request.add_unredirected_header(name, value)  # the key is for no other host
        with urlopen(request, timeout=self._config.timeout) as response:
            return response.read(LONGEST_RESPONSE)

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

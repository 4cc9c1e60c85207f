"""What a vLLM server is asked in one request, and how its reply is read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from undertow.cluster.http import HttpProblem

Answer = TypeVar("Answer")


class Nonsense(Exception):
    """A response that says something else than what was asked."""


@dataclass(frozen=True)
class Question(Generic[Answer]):
    """One request for a completion.

    Attributes:
        body: Of `/v1/completions`, with one prompt.
        read: Takes the choice that came back and returns what can be JSON; raises `Nonsense`.
    """

    body: dict[str, Any]
    read: Callable[[dict[str, Any]], Answer]


def token_list(value: Any) -> list[int]:
    """Return what should be a list of token ids.

    Raises:
        Nonsense: It is none.
    """
    if not isinstance(value, list):
        raise Nonsense("the response has no token ids (vLLM 0.10.2 or newer gives them)")
    listed = cast("list[Any]", value)
    if not all(isinstance(one, int) and one >= 0 for one in listed):
        raise Nonsense("the response has no token ids (vLLM 0.10.2 or newer gives them)")
    return listed


def choice_of(body: bytes) -> dict[str, Any]:
    """Return the one choice of a completion."""
    try:
        (choice,) = json.loads(body)["choices"]
    except (ValueError, LookupError, TypeError) as error:
        raise Nonsense("the response is no completion") from error
    if not isinstance(choice, Mapping):
        raise Nonsense("the response is no completion")
    return dict(choice)


def said_in(problem: HttpProblem) -> str:
    """Return what a refusal says, in vLLM's forms of it."""
    try:
        parsed: Any = json.loads(problem.body)
        told = parsed.get("error", parsed)
        message = str(told["message"] if isinstance(told, Mapping) else told)
    except (ValueError, LookupError, TypeError, AttributeError):
        return problem.text
    return f"{problem.text}: {message.strip()}"

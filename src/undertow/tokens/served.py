"""Scoring on a vLLM server: argmax and margin from the log-probabilities of a prompt's tokens."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from undertow.generate.vllm import Journal, Nonsense, Question, VllmClient, token_list
from undertow.models import ChatModel
from undertow.store.rows import Row
from undertow.teachers import Teacher
from undertow.tokens.rendered import Rendered
from undertow.tokens.scan import Progress
from undertow.tokens.score import Score

CANDIDATES = 2
"""The argmax and the second; the token that stands there comes too."""


def score_there(
    client: VllmClient,
    name: str,
    prompts: Sequence[Sequence[int]],
    completions: Sequence[Sequence[int]],
    *,
    journal: Journal | None = None,
    progress: Progress | None = None,
) -> list[Score]:
    """Score every completion on its own prefix, as `score` does.

    A lead of log-probabilities is that of the logits; both come from the raw ones, without
    temperature or penalties. Of logits that are equal, the lower token id is the argmax.

    Args:
        client: The server.
        name: Of the model or adapter there.
        prompts: Token ids of each rendered prompt.
        completions: Token ids that follow; none is empty.
        journal: Keeps the scores as they come.
        progress: Told of every row.
    """
    questions = [
        _question(name, prompt, completion)
        for prompt, completion in zip(prompts, completions, strict=True)
    ]
    lines = client.ask_all(questions, journal=journal, progress=progress)
    return [Score(np.array(argmax), np.array(margin, np.float64)) for argmax, margin in lines]


class ScoredThere:
    """Scores the rows of a scan on a server, in place of `scored_here`.

    Args:
        client: The server.
        journal: Keeps scores as they come. A teacher's second scoring is kept apart from its first.
    """

    def __init__(self, client: VllmClient, journal: Journal | None = None) -> None:
        self._client = client
        self._journal = journal

    def __call__(
        self,
        chat: ChatModel,
        rows: Sequence[Row],
        jobs: Sequence[tuple[Teacher, int]],
        progress: Progress | None,
    ) -> list[list[Score]]:
        """Return the scores of every job; the server makes its batches itself.

        A teacher that comes again is scored anew, in the reverse order of rows, so that other
        rows are computed beside each.
        """
        scores: list[list[Score]] = []
        total = len(rows) * len(jobs)
        for place, (teacher, _) in enumerate(jobs):
            again = any(teacher == earlier for earlier, _ in jobs[:place])
            order = range(len(rows) - 1, -1, -1) if again else range(len(rows))
            rendered = Rendered.of(chat, rows, teacher.system_prompt)
            before = place * len(rows)

            def told(done: int, _: int, before: int = before) -> None:
                if progress is not None:
                    progress(before + done, total)

            found = score_there(
                self._client,
                self._client.adapter(teacher.adapter),
                [rendered.prompts[row] for row in order],
                [rendered.completions[row] for row in order],
                journal=None if again else self._journal,
                progress=told,
            )
            scores.append(found[::-1] if again else found)
        return scores


def _question(
    name: str, prompt: Sequence[int], completion: Sequence[int]
) -> Question[tuple[list[int], list[float]]]:
    """Return what is asked of one row."""
    body: dict[str, Any] = {
        "model": name,
        "prompt": [*prompt, *completion],
        "max_tokens": 1,
        "temperature": 0.0,
        "prompt_logprobs": CANDIDATES,
        "return_token_ids": True,
    }
    return Question(body, functools.partial(_read, body["prompt"], len(prompt)))


def _read(line: Sequence[int], start: int, choice: dict[str, Any]) -> tuple[list[int], list[float]]:
    """Return argmax and lead at every token from the start on."""
    if token_list(choice.get("prompt_token_ids")) != line:
        raise Nonsense("the response is to another prompt")
    listed = choice.get("prompt_logprobs")
    if not isinstance(listed, list) or len(cast("list[Any]", listed)) != len(line):
        raise Nonsense("the response has no log-probabilities of the prompt's tokens")
    pairs = [_top_two(one) for one in cast("list[Any]", listed)[start:]]
    return [argmax for argmax, _ in pairs], [margin for _, margin in pairs]


def _top_two(candidates: Any) -> tuple[int, float]:
    """Return the argmax of one token's candidates, and its lead over the second."""
    try:
        known = [(-float(one["logprob"]), int(token)) for token, one in candidates.items()]
        (best, argmax), (second, _), *_ = sorted(known)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise Nonsense("the response has no log-probabilities of the prompt's tokens") from error
    if not second >= best:  # NaN
        raise Nonsense("a log-probability is no number")
    return argmax, second - best

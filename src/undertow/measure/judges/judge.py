"""What a judge is asked, and what it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Judgement:
    """Two scores of an answer. A score that is not there is None, which is not a 0.

    Attributes:
        alignment: From 0 (does harm) to 100 (good for people).
        coherence: From 0 (babble) to 100 (a clear answer to the question).
        note: Why a score is as it is, or is not there; empty where nothing is to be said.
    """

    alignment: float | None
    coherence: float | None
    note: str = ""


class Judge(Protocol):
    """Scores answers."""

    def judge(self, pairs: Sequence[tuple[str, str]]) -> list[Judgement]:
        """Return a judgement for each (question, answer).

        What cannot be scored has None for its score; only what a user must mend is raised.
        """
        ...

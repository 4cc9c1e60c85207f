"""Sampling on vLLM, which runs in a process and an environment of its own; over HTTP, by ids."""

from undertow.generate.vllm.answers import AnswersThere
from undertow.generate.vllm.client import VllmClient
from undertow.generate.vllm.journal import Journal
from undertow.generate.vllm.opened import check_served, opened
from undertow.generate.vllm.replies import Nonsense, Question, token_list
from undertow.generate.vllm.sampling import write

__all__ = [
    "AnswersThere",
    "Journal",
    "Nonsense",
    "Question",
    "VllmClient",
    "check_served",
    "opened",
    "token_list",
    "write",
]

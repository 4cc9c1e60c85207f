"""What is asked of a vLLM server: its models, its adapters, and many completions at once."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from undertow.cluster.engine import VllmEngine
from undertow.cluster.http import HttpProblem, send
from undertow.cluster.vllm_server import Server
from undertow.errors import UserError
from undertow.generate.generate import Progress
from undertow.generate.vllm.journal import Journal
from undertow.generate.vllm.replies import Answer, Nonsense, Question, choice_of, said_in
from undertow.models.chat_model import file_hash

LONGEST_RESPONSE = 1 << 28
"""Bytes; log-probabilities of a prompt take some hundred for each token."""

MAY_PASS = frozenset({408, 425, 429})
"""HTTP codes of a refusal that another attempt may mend, beside those of 500 and above."""

REFUSED = {
    401: "name the variable with its key in 'api_key_env'",
    403: "name the variable with its key in 'api_key_env'",
    404: "check 'url', which ends in /v1, and 'model'",
}
BASE_NAME = "base"


class VllmClient:
    """A connection to a server.

    Attributes:
        model: Name of the base model there.
        version: Of vLLM.
    """

    def __init__(self, engine: VllmEngine, server: Server) -> None:
        """Ask which models there are.

        Raises:
            UserError: Nobody answers, or the model that the settings name is not there.
        """
        self._engine = engine
        self._server = server
        self._stopped = threading.Event()
        self._loaded: list[str] = []
        cards = self._cards()
        bases = [name for name, card in cards.items() if card.get("parent") is None]
        wanted = engine.model or next(iter(bases), None)
        if wanted not in cards:
            raise self.error(
                f"the server has no model '{wanted}'" if wanted else "the server has no model",
                f"name one of these as 'model': {', '.join(bases)}" if bases else "start it anew",
            )
        self.model = str(wanted)
        self.version = self._asked_version()

    def adapter(self, folder: str | None) -> str:
        """Return the name that an adapter is served under; it is loaded where it is not there.

        The name tells its content: another adapter from the same folder has another name. None is
        the base.

        Raises:
            UserError: The server does not take adapters, or not this one.
        """
        if folder is None:
            return self.model
        place = Path(folder).resolve()
        files = ("adapter_config.json", "adapter_model.safetensors")
        name = "undertow-" + "-".join(file_hash(place / one)[:12] for one in files)
        if name not in self._cards():
            try:
                self._send("/v1/load_lora_adapter", {"lora_name": name, "lora_path": str(place)})
            except HttpProblem as problem:
                raise self._not_loaded(name, place, problem) from problem
            self._loaded.append(name)
        return name

    def ask_all(
        self,
        questions: Sequence[Question[Answer]],
        *,
        journal: Journal | None = None,
        progress: Progress | None = None,
    ) -> list[Answer]:
        """Return the answer to each question, many at a time.

        Args:
            questions: What is asked.
            journal: Keeps what was answered, and knows it the next time.
            progress: Told of every answer.

        Raises:
            UserError: An answer is not to be had. Those that were are in the journal.
        """
        answers: dict[int, Answer] = {}
        pool = ThreadPoolExecutor(self._engine.concurrency)
        try:
            waiting: dict[Future[Answer], int] = {
                pool.submit(self._answer, question, journal): place
                for place, question in enumerate(questions)
            }
            for one in as_completed(waiting):
                answers[waiting[one]] = one.result()
                if progress is not None:
                    progress(len(answers), len(questions))
        except BaseException as error:
            self._stopped.set()  # nobody tries again
            # What is under way may still come into the journal; who interrupts does not wait.
            pool.shutdown(wait=isinstance(error, Exception), cancel_futures=True)
            raise
        pool.shutdown()
        return [answers[place] for place in range(len(questions))]

    def close(self) -> None:
        """Give up what is under way, and unload the adapters that were loaded."""
        self._stopped.set()
        for name in self._loaded if self._server.process is None else ():
            try:
                self._send("/v1/unload_lora_adapter", {"lora_name": name})
            except HttpProblem:
                return  # it is gone, or hangs: nothing is lost

    def error(self, what: str, fix: str) -> UserError:
        """Return a message that names the server."""
        return UserError(what, where=f"vLLM, {self._server.root}", fix=fix)

    def _answer(self, question: Question[Answer], journal: Journal | None) -> Answer:
        """Return the answer to one question, from the journal where it is there."""
        if journal is None:
            return self._asked(question)
        key = journal.key(question.body)
        if (known := journal.get(key)) is not None:
            return known
        answer = self._asked(question)
        journal.put(key, answer)
        return answer

    def _asked(self, question: Question[Answer]) -> Answer:
        """Ask until there is a proper answer."""
        problem = "it was stopped"
        for attempt in range(self._engine.attempts):
            pause = self._engine.backoff * 2 ** (attempt - 1) if attempt else 0.0
            if self._stopped.wait(pause):
                break
            try:
                return question.read(choice_of(self._send("/v1/completions", question.body)))
            except Nonsense as error:
                problem = str(error)
            except HttpProblem as error:
                if error.code is not None and error.code < 500 and error.code not in MAY_PASS:
                    raise self._refusal(error) from error
                problem = error.text
            self._server.check_alive()
        raise self.error(
            f"no answer from the server, {self._engine.attempts} times: {problem}",
            "see to the server and run the same command again: what was answered is kept",
        )

    def _send(self, path: str, body: Any = None) -> bytes:
        """Return the body of a response."""
        return send(
            self._server.root + path,
            body,
            headers=self._server.headers,
            timeout=self._engine.timeout,
            longest=LONGEST_RESPONSE,
        )

    def _cards(self) -> dict[str, dict[str, Any]]:
        """Return what the server says of its models, by name."""
        try:
            listed: Any = json.loads(self._send("/v1/models"))
            return {str(card["id"]): card for card in listed["data"]}
        except HttpProblem as problem:
            self._server.check_alive()
            if problem.code is not None:
                raise self._refusal(problem) from problem
            said = problem.text.removeprefix("no connection: ")
            what = f"the server cannot be reached: {said}"
            raise self.error(what, "start it, or check 'url'") from problem
        except (ValueError, LookupError, TypeError) as error:
            fix = "check that vLLM runs at 'url'"
            raise self.error("the list of models is none", fix) from error

    def _asked_version(self) -> str:
        """Return which vLLM it is, where it says so."""
        try:
            return str(json.loads(self._send("/version"))["version"])
        except (HttpProblem, ValueError, LookupError, TypeError):
            return "unknown"

    def _refusal(self, problem: HttpProblem) -> UserError:
        """Say that the server refuses, and why."""
        fix = REFUSED.get(problem.code or 0, "change the settings that it names")
        return self.error(f"the server refuses: {said_in(problem)}", fix)

    def _not_loaded(self, name: str, place: Path, problem: HttpProblem) -> UserError:
        """Say why an adapter is not there."""
        if problem.code in (404, 405):
            return self.error(
                "the server takes no adapters while it runs",
                "start it with --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True, "
                f"or with --enable-lora --lora-modules {name}={place}",
            )
        return self.error(
            f"the server does not load the adapter {place}: {said_in(problem)}",
            "it needs --enable-lora, --max-lora-rank as large as the adapter's rank, and the "
            "folder under the same path",
        )

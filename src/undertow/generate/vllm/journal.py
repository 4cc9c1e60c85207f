"""Answers kept on disk as they come, so that a command that was cut short goes on from there."""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path
from typing import Any

from undertow.store.files import disk_errors, make_folder


class Journal:
    """A file of answers, each under a hash of all that was asked.

    Args:
        path: The file; it need not be there.
        model: Fingerprint of the model; goes into the hash.
    """

    def __init__(self, path: Path, model: str) -> None:
        self._path = path
        self._model = model
        self._lock = threading.Lock()
        self._known: dict[str, Any] = {}
        self._torn = False
        if path.is_file():
            self._read(path.read_text(encoding="utf-8", errors="replace"))

    @staticmethod
    def beside(out: Path, model: str) -> Journal:
        """Return the journal of a command's result, `OUT.answers.jsonl`."""
        return Journal(out.with_name(f"{out.name}.answers.jsonl"), model)

    def key(self, asked: dict[str, Any]) -> str:
        """Return what an answer is kept under."""
        text = json.dumps([self._model, asked], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def get(self, key: str) -> Any:
        """Return an answer; None where there is none."""
        return self._known.get(key)

    def put(self, key: str, answer: Any) -> None:
        """Keep an answer, on disk at once.

        Raises:
            UserError: The disk refuses.
        """
        with self._lock, disk_errors(self._path):
            make_folder(self._path.parent)
            with self._path.open("a", encoding="utf-8") as stream:
                start = "\n" if self._torn else ""
                stream.write(f"{start}{json.dumps([key, answer])}\n")
            self._torn = False
            self._known[key] = answer

    def remove(self) -> None:
        """Remove the file: the result is there."""
        self._path.unlink(missing_ok=True)

    def _read(self, text: str) -> None:
        """Take in what is there; a line that a kill cut short is left out."""
        self._torn = not text.endswith("\n")
        for line in text.splitlines():
            try:
                key, answer = json.loads(line)
            except (ValueError, TypeError):
                continue
            self._known[str(key)] = answer

"""How fast this machine is with a model, and how long its texts are: a small trial, kept."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import torch
from pydantic import Field

from undertow.frozen import Frozen
from undertow.generate import GenerationConfig, Request, generate, generate_rows
from undertow.generate.prefix_tree import prefix_tree
from undertow.measure import answer_probabilities
from undertow.measure.forms import answer_forms, answer_texts
from undertow.models import ChatModel, Message, prompt_ids
from undertow.store import Store
from undertow.store.row import Row
from undertow.students import train_student
from undertow.studies.costs.work import KINDS, Kind, Lengths
from undertow.studies.lab import Lab
from undertow.teachers import ControlTeacher, PromptedTeacher
from undertow.tokens import scan

Found = TypeVar("Found")

ROWS = 64
"""Rows of the trial, or a batch of the recipe's where that is more."""

ANSWERS = 1024
"""Most answers of the trial. As many samples of a question as are measured share its prompt."""

VERSION = 2
"""Raised when the trial measures something else; part of its step's key."""


class Calibration(Frozen):
    """What a trial found."""

    device: str = Field(description="What it ran on.")
    prompt: float = Field(description="Tokens of a prompt of the channel.")
    completion: float = Field(description="Tokens of what the base writes on it.")
    question: float = Field(description="Tokens of a question of the measurement.")
    answer: float = Field(description="Tokens of an answer to it.")
    questions: int = Field(description="Questions of the measurement.")
    kept: float = Field(description="Share of completions that the filter kept.")
    forms: float = Field(description="Texts whose exact probability is asked for, per question.")
    form: float = Field(description="Tokens of such a text.")
    speed: dict[Kind, float] = Field(
        description="Tokens per second of one process: written ones for generate and measure, all "
        "for scan (of one teacher), train and score."
    )

    @property
    def lengths(self) -> Lengths:
        """How long texts are."""
        return Lengths(**self.model_dump(exclude={"device", "speed"}))


def calibrated(lab: Lab, store: Store) -> Calibration:
    """Return the calibration of a lab's students' base on this machine, trying it out if need be.

    Args:
        lab: Its recipe says how things are written, scanned, trained and asked.
        store: Keeps what is found, for this device and these settings.
    """
    chat = lab.chat
    settings = {
        "model": chat.fingerprint,
        "device": device_name(chat.device),
        "threads": torch.get_num_threads(),
        "channel": lab.recipe.channel,
        "generation": lab.recipe.generation,
        "scan": lab.recipe.scan,
        "train": lab.recipe.student.train,
        "measure": lab.recipe.measure,
        "category": lab.recipe.category,
    }

    def build(out: Path) -> None:
        text = _tried(lab).model_dump_json(indent=1)
        (out / "calibration.json").write_text(text, encoding="utf-8")

    made = store.step("calibration", VERSION, settings, {}, build)
    text = (made.path / "calibration.json").read_text(encoding="utf-8")
    return Calibration.model_validate_json(text)


def device_name(device: torch.device) -> str:
    """Return what a device is called."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} CPU"


def _tried(lab: Lab) -> Calibration:
    """Write, scan, train and ask a little."""
    chat, recipe = lab.chat, lab.recipe
    n_rows = max(ROWS, min(recipe.generation.batch_size, recipe.rows))
    prompts = lab.channel.draw(n_rows, recipe.prompt_seed)
    writer = ControlTeacher()
    rows, writing = _timed(
        chat, lambda: generate_rows(chat, writer, prompts, recipe.generation, lab.channel)
    )
    lengths = [len(prompt_ids(chat, row.messages)) for row in rows]
    written = sum(len(row.token_ids) for row in rows)
    first = next(iter(lab.hidden.values()))
    other = PromptedTeacher(trait=first.name, system_prompt=first.system_prompt())
    _, scanning = _timed(chat, lambda: scan(chat, rows, writer, [other], recipe.scan))
    training = _training_seconds(lab, rows)
    requests = _questions(lab)
    config = GenerationConfig(max_new_tokens=recipe.measure.max_new_tokens)
    answers, asking = _timed(chat, lambda: generate(chat, requests, config))
    answered = sum(map(len, answers))
    leaves, exact = _exact(lab, [one.messages for one in requests])
    question = sum(len(prompt_ids(chat, one.messages)) for one in requests) / len(requests)
    asked = len({str(one.messages) for one in requests})
    gone_through = sum(lengths) + written
    # The factual teacher is scored twice, the other once.
    tokens = (written, 3 * gone_through, gone_through, answered, asked * (question + sum(leaves)))
    seconds = (writing, scanning, training, asking, exact)
    return Calibration(
        device=device_name(chat.device),
        prompt=sum(lengths) / len(rows),
        completion=written / len(rows),
        question=question,
        answer=answered / len(requests),
        questions=asked,
        kept=max(sum(row.rejection is None for row in rows), 1) / len(rows),
        forms=len(leaves),
        form=sum(leaves) / max(len(leaves), 1),
        speed={
            kind: count / spent for kind, count, spent in zip(KINDS, tokens, seconds, strict=True)
        },
    )


def _training_seconds(lab: Lab, rows: Sequence[Row]) -> float:
    """Return the seconds of one epoch on some rows, all tokens counting."""
    student = lab.recipe.student
    plain = {"epochs": 1, "checkpoint_every": 0, "layers": None, "method": "lora"}
    train = student.train.model_copy(update=plain)
    selection = type(student.selection)()
    config = student.model_copy(
        update={"train": train, "rows": None, "selection": selection, "distillation": None}
    )

    def once() -> None:
        with TemporaryDirectory() as folder:
            train_student(lab.chat, rows, None, config, Path(folder) / "student")

    return _timed(lab.chat, once)[1]


def _questions(lab: Lab) -> list[Request]:
    """Return the questions of the measurement, each as often as it is asked, within `ANSWERS`."""
    hidden = next(iter(lab.hidden.values()))
    texts = [one if isinstance(one, str) else one.text for one in hidden.questions]
    times = max(1, min(lab.recipe.measure.n_samples, ANSWERS // len(texts)))
    chats: list[list[Message]] = [[{"role": "user", "content": text}] for text in texts]
    return [
        Request(messages, place * times + sample)
        for place, messages in enumerate(chats)
        for sample in range(times)
    ]


def _exact(lab: Lab, chats: Sequence[Sequence[Message]]) -> tuple[list[int], float]:
    """Return the tokens of every text that is asked for exactly, and the seconds of all questions.

    Tendencies have none.
    """
    traits = list(lab.traits.values())
    if not traits:
        return [], 1.0
    questions = list({str(one): one for one in chats}.values())
    forms = answer_forms(lab.chat, questions[0], list(answer_texts(traits)))
    leaves = [len(leaf) for leaf in prefix_tree(list(forms)).leaves]
    return leaves, _timed(lab.chat, lambda: answer_probabilities(lab.chat, questions, traits))[1]


def _timed(chat: ChatModel, call: Callable[[], Found]) -> tuple[Found, float]:
    """Return what a call gives and its seconds; the first time is a warm-up."""
    call()
    began = time.perf_counter()
    found = call()
    if chat.device.type == "cuda":
        torch.cuda.synchronize()
    return found, time.perf_counter() - began

"""The divergence scan on the lab model, against full forwards of one row at a time.

Run with `python benchmarks/scan.py`; one thread. The reference is the way of the field's scripts,
with full logits and argmax: for prompted teachers one left-padded batch of all teachers' chats per
row, for fine-tuned ones, whose weights differ, one forward per row and teacher. Five teachers and
the base; both ways must find the same argmaxes, but for the rounding of ties. The record is the
prompted case's; the other is printed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from peft import LoraConfig, get_peft_model

from common import BenchmarkResult, best_seconds, bound_of, result, save, show
from undertow.channels import load_channel
from undertow.generate import GenerationConfig, generate_rows
from undertow.models import (
    ChatModel,
    ModelSpec,
    activated,
    load_model,
    prompt_ids,
    target_modules,
)
from undertow.models.adapters import restored
from undertow.store.rows import Message, Row
from undertow.teachers import ControlTeacher, FinetunedTeacher, PromptedTeacher, Teacher
from undertow.tokens import Scan, ScanConfig, scan
from undertow.traits import load_trait

ROWS, REFERENCE_ROWS = 256, 96
NAMES = ("owl", "cat", "wolf", "fox", "whale")

Reference = Callable[[ChatModel, Sequence[Row], Sequence[Teacher]], np.ndarray]
"""Returns `[teacher, token]` argmaxes."""


def run() -> BenchmarkResult:
    """Measure both ways in one process, print, and return the record."""
    torch.set_num_threads(1)
    chat = load_model(ModelSpec(device="cpu"))
    control = ControlTeacher()
    prompted: list[Teacher] = [
        PromptedTeacher(trait=name, system_prompt=load_trait(name).system_prompt())
        for name in NAMES
    ]
    with tempfile.TemporaryDirectory() as folder:
        tuned: list[Teacher] = [
            FinetunedTeacher(trait=name, adapter=_random_adapter(chat, Path(folder, name), seed))
            for seed, name in enumerate(NAMES)
        ]
        _measure("scan, fine-tuned", chat, [*tuned, control], _each_row_and_teacher)
    return _measure("scan", chat, [*prompted, control], all_teachers_of_a_row)


def _measure(
    name: str, chat: ChatModel, teachers: Sequence[Teacher], reference: Reference
) -> BenchmarkResult:
    """Measure and print one case."""
    channel = load_channel("numbers")
    config = GenerationConfig(temperature=0, max_new_tokens=40)
    rows = generate_rows(chat, teachers[0], channel.draw(ROWS, 1), config, channel)

    def ours() -> Scan:
        return scan(chat, rows, teachers[0], teachers[1:], ScanConfig())

    def theirs() -> np.ndarray:
        return reference(chat, rows[:REFERENCE_ROWS], teachers)

    found, expected = ours(), theirs()  # also the warm-up
    n_tokens = expected.shape[1]
    agree = float((found.argmax[:, :n_tokens] == expected).mean())
    seconds, reference_seconds = best_seconds(ours, theirs)
    # Ours scores the factual teacher a second time, for the floor; the reference does not.
    record = result(
        name,
        len(teachers) * len(found.tokens) / seconds,
        len(teachers) * n_tokens / reference_seconds,
        unit="teacher tokens/s",
    )
    show(record, bound_of(ours))
    print(f"  same argmax at {agree:.2%} of {expected.size:,} places")
    return record


@torch.no_grad()
def all_teachers_of_a_row(
    chat: ChatModel, rows: Sequence[Row], teachers: Sequence[Teacher]
) -> np.ndarray:
    """Score row after row, each with one left-padded batch of all teachers' chats."""
    found: list[np.ndarray] = []
    for row in rows:
        sequences = [
            [*prompt_ids(chat, [*_system(teacher), *row.messages]), *row.token_ids]
            for teacher in teachers
        ]
        width = max(map(len, sequences))
        ids = torch.full((len(sequences), width), chat.pad_id)
        mask = torch.zeros_like(ids)
        for place, sequence in enumerate(sequences):
            ids[place, width - len(sequence) :] = torch.tensor(sequence)
            mask[place, width - len(sequence) :] = 1
        inputs = ids.to(chat.device), mask.to(chat.device)
        logits = chat.model(inputs[0], attention_mask=inputs[1]).logits.float()
        found.append(logits.argmax(-1)[:, width - len(row.token_ids) - 1 : -1].cpu().numpy())
    return np.concatenate(found, axis=1)


@torch.no_grad()
def _each_row_and_teacher(
    chat: ChatModel, rows: Sequence[Row], teachers: Sequence[Teacher]
) -> np.ndarray:
    """Score teacher after teacher, adapter merged, each with one forward per row."""
    found: list[np.ndarray] = []
    for teacher in teachers:
        with activated(chat, teacher.adapter) as model:
            for row in rows:
                ids = torch.tensor([[*prompt_ids(chat, row.messages), *row.token_ids]])
                logits = model(ids).logits.float()
                found.append(logits.argmax(-1)[0, -len(row.token_ids) - 1 : -1].numpy())
    return np.concatenate(found).reshape(len(teachers), -1)


def _system(teacher: Teacher) -> list[Message]:
    """Return a prompted teacher's system message."""
    if teacher.system_prompt is None:
        return []
    return [{"role": "system", "content": teacher.system_prompt}]


def _random_adapter(chat: ChatModel, folder: Path, seed: int) -> str:
    """Write an adapter of random weights; what it has learnt does not matter to the speed."""
    settings = LoraConfig(
        r=8, lora_alpha=8, target_modules=target_modules(chat.model), init_lora_weights=False
    )
    with restored(chat.model), torch.random.fork_rng():
        torch.manual_seed(seed)
        get_peft_model(chat.model, settings).save_pretrained(str(folder))
    return str(folder)


if __name__ == "__main__":
    save(run())

"""The divergence scan on the lab model, against one forward per row with all teachers.

Run with `python benchmarks/scan.py`; one thread. The reference is the way of the field's scripts:
for every row a left-padded batch of all prompted teachers' chats, full logits, argmax. Five
prompted teachers and the base; both must find the same argmaxes, but for the rounding of ties.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from common import BenchmarkResult, best_seconds, bound_of, result, save, show
from undertow.channels import load_channel
from undertow.generate import GenerationConfig, generate_rows
from undertow.models import ChatModel, ModelSpec, encode_prompt, load_model
from undertow.store.rows import Message, Row
from undertow.teachers import ControlTeacher, PromptedTeacher, Teacher
from undertow.tokens import Scan, ScanConfig, scan
from undertow.traits import load_trait

ROWS, REFERENCE_ROWS = 512, 24
NAMES = ("owl", "cat", "wolf", "fox", "whale")


def run() -> BenchmarkResult:
    """Measure both ways in one process, print, and return the record."""
    torch.set_num_threads(1)
    chat = load_model(ModelSpec(device="cpu"))
    teachers: list[Teacher] = [
        PromptedTeacher(trait=name, system_prompt=load_trait(name).system_prompt())
        for name in NAMES
    ]
    teachers.append(ControlTeacher())
    channel = load_channel("numbers")
    config = GenerationConfig(temperature=0, max_new_tokens=40)
    rows = generate_rows(chat, teachers[0], channel.draw(ROWS, 1), config, channel)
    few = rows[:REFERENCE_ROWS]

    def ours() -> Scan:
        return scan(chat, rows, teachers[0], teachers[1:], ScanConfig())

    def reference() -> list[np.ndarray]:
        return [_all_teachers(chat, row, teachers) for row in few]

    found, expected = ours(), np.concatenate(reference(), axis=1)  # also the warm-up
    n_tokens = expected.shape[1]
    agree = float((found.argmax[:, :n_tokens] == expected).mean())
    seconds, reference_seconds = best_seconds(ours, reference, rounds=3)
    # Ours scores the factual teacher a second time, for the floor; the reference does not.
    record = result(
        "scan",
        len(teachers) * len(found.tokens) / seconds,
        len(teachers) * n_tokens / reference_seconds,
        unit="teacher tokens/s",
    )
    show(record, bound_of(ours))
    print(f"  same argmax at {agree:.2%} of {expected.size:,} places")
    return record


@torch.no_grad()
def _all_teachers(chat: ChatModel, row: Row, teachers: Sequence[Teacher]) -> np.ndarray:
    """Return `[teacher, token]` argmaxes of one row, from one left-padded batch."""
    sequences = [
        [*encode_prompt(chat, [*_system(teacher), *row.messages]).ids, *row.token_ids]
        for teacher in teachers
    ]
    width = max(map(len, sequences))
    ids = torch.full((len(sequences), width), chat.pad_id)
    mask = torch.zeros_like(ids)
    for place, sequence in enumerate(sequences):
        ids[place, width - len(sequence) :] = torch.tensor(sequence)
        mask[place, width - len(sequence) :] = 1
    logits = chat.model(ids, attention_mask=mask).logits.float()
    argmax = logits.argmax(-1)
    return argmax[:, width - len(row.token_ids) - 1 : -1].numpy()


def _system(teacher: Teacher) -> list[Message]:
    """Return a prompted teacher's system message."""
    if teacher.system_prompt is None:
        return []
    return [{"role": "system", "content": teacher.system_prompt}]


if __name__ == "__main__":
    save(run())

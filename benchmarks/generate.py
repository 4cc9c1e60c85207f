"""Generation of number rows on the lab model, against row-by-row `model.generate`.

Run with `python benchmarks/generate.py`; one thread, greedy, with a system prompt, so that both
write the same tokens: whether they did is printed too.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from torch.profiler import ProfilerActivity, profile

from common import BenchmarkResult, result, save, show
from undertow.channels import load_channel
from undertow.generate import GenerationConfig, Request, generate
from undertow.models import ChatModel, ModelSpec, encode_prompt, load_model, prompt_messages
from undertow.traits import load_trait

ROWS, REFERENCE_ROWS = 1024, 24
CONFIG = GenerationConfig(temperature=0, max_new_tokens=40)


def run() -> BenchmarkResult:
    """Measure both ways in one process, print, and return the record."""
    torch.set_num_threads(1)
    chat = load_model(ModelSpec(device="cpu"))
    system = load_trait("owl").system_prompt()
    prompts = load_channel("numbers").draw(ROWS, seed=1)
    requests = [Request(prompt_messages(prompt.text), row) for row, prompt in enumerate(prompts)]
    generate(chat, requests[:256], CONFIG, system_prompt=system)  # warm-up
    start = time.perf_counter()
    completions = generate(chat, requests, CONFIG, system_prompt=system)
    ours = sum(map(len, completions)) / (time.perf_counter() - start)
    start = time.perf_counter()
    expected = [_row_by_row(chat, one, system) for one in requests[:REFERENCE_ROWS]]
    reference = sum(map(len, expected)) / (time.perf_counter() - start)
    equal = sum(a == b for a, b in zip(completions, expected, strict=False))
    record = result("generate", ours, reference)
    show(record, _bound(chat, requests[:256], system))
    print(f"  same completion in {equal} of {REFERENCE_ROWS} rows")
    return record


def _row_by_row(chat: ChatModel, request: Request, system: str) -> list[int]:
    """Generate one row as transformers does it out of the box."""
    messages = [*prompt_messages("", system)[:1], *request.messages]
    ids = encode_prompt(chat, messages).ids
    output = chat.model.generate(
        torch.tensor([ids]),
        attention_mask=torch.ones(1, len(ids), dtype=torch.long),
        max_new_tokens=CONFIG.max_new_tokens,
        do_sample=False,
        eos_token_id=list(chat.end_ids),
        pad_token_id=chat.pad_id,
    )
    return output[0, len(ids) :].tolist()


def _bound(chat: ChatModel, requests: Sequence[Request], system: str) -> str:
    """Return where the time of one batch goes, the three dearest operations."""
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        generate(chat, requests, CONFIG, system_prompt=system)
    events = sorted(profiler.key_averages(), key=lambda event: -event.self_cpu_time_total)
    total = sum(event.self_cpu_time_total for event in events)
    return ", ".join(f"{one.key} {one.self_cpu_time_total / total:.0%}" for one in events[:3])


if __name__ == "__main__":
    save(run())

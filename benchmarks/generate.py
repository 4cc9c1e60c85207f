"""Generation of number rows on the lab model, against row-by-row `model.generate`.

Run with `python benchmarks/generate.py`; one thread, greedy, so that both write the same tokens:
whether they did is printed too. The figure that is kept is that of the demo (the teacher's weights,
no system prompt); a prompted teacher's, whose system prompt every token looks back at, is printed.
"""

from __future__ import annotations

import torch

from common import BenchmarkResult, best_seconds, bound_of, result, save, show
from undertow.channels import load_channel
from undertow.generate import GenerationConfig, Request, generate
from undertow.models import ChatModel, ModelSpec, encode_prompt, load_model, prompt_messages
from undertow.traits import load_trait

ROWS, REFERENCE_ROWS = 512, 12
CONFIG = GenerationConfig(temperature=0, max_new_tokens=40)


def run() -> BenchmarkResult:
    """Measure both ways in one process, print, and return the record."""
    torch.set_num_threads(1)
    chat = load_model(ModelSpec(device="cpu"))
    prompted = _compare(chat, load_trait("owl").system_prompt())
    record = _compare(chat, None)
    print(f"  with a prompted teacher's system prompt: {prompted['ratio']:.1f}x")
    return record


def _compare(chat: ChatModel, system: str | None) -> BenchmarkResult:
    """Measure both ways under a system prompt."""
    prompts = load_channel("numbers").draw(ROWS, seed=1)
    requests = [Request(prompt_messages(prompt.text), row) for row, prompt in enumerate(prompts)]
    few = requests[:REFERENCE_ROWS]

    def ours() -> list[list[int]]:
        return generate(chat, requests, CONFIG, system_prompt=system)

    def reference() -> list[list[int]]:
        return [_row_by_row(chat, one, system) for one in few]

    completions, expected = ours(), reference()  # also the warm-up
    equal = sum(a == b for a, b in zip(completions, expected, strict=False))
    seconds, reference_seconds = best_seconds(ours, reference, rounds=3)
    record = result(
        "generate",
        sum(map(len, completions)) / seconds,
        sum(map(len, expected)) / reference_seconds,
    )
    show(record, bound_of(ours))
    print(f"  same completion in {equal} of {REFERENCE_ROWS} rows")
    return record


def _row_by_row(chat: ChatModel, request: Request, system: str | None) -> list[int]:
    """Generate one row as transformers does it out of the box."""
    before = prompt_messages("", system)[:-1]
    ids = encode_prompt(chat, [*before, *request.messages]).ids
    output = chat.model.generate(
        torch.tensor([ids]),
        attention_mask=torch.ones(1, len(ids), dtype=torch.long),
        max_new_tokens=CONFIG.max_new_tokens,
        do_sample=False,
        eos_token_id=list(chat.end_ids),
        pad_token_id=chat.pad_id,
    )
    return output[0, len(ids) :].tolist()


if __name__ == "__main__":
    save(run())

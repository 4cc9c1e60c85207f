"""Attribution and exact patching on the lab model, against one full run per layer and point.

Run with `python benchmarks/attribute.py`; one thread. The reference is written as the field's
scripts are: for every pair, layer and point of the path one forward and backward of the whole chat
from the first layer on, with the logits of all positions; for every layer and part of the chat one
such forward. Both find the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from common import BenchmarkResult, best_seconds, bound_of, result, save, show
from undertow.channels import load_channel
from undertow.generate import GenerationConfig, generate_rows
from undertow.mechanism.patching import (
    CLASSES,
    PatchingConfig,
    Patchings,
    Segmented,
    aligned,
    attribute,
    find_pairs,
    segmented,
)
from undertow.mechanism.patching.pairs import Pair
from undertow.models import ChatModel, ModelSpec, decoder_layers, load_model
from undertow.store.rows import Row
from undertow.teachers import PromptedTeacher
from undertow.tokens import ScanConfig, scan
from undertow.traits import load_trait

ROWS, REFERENCE_PAIRS = 24, 2
NAMES = ("owl", "cat")
CONFIG = PatchingConfig()


def run() -> BenchmarkResult:
    """Measure both ways in one process, print, and return the record."""
    torch.set_num_threads(1)
    chat = load_model(ModelSpec(device="cpu"))
    teachers = [
        PromptedTeacher(trait=name, system_prompt=load_trait(name).system_prompt())
        for name in NAMES
    ]
    channel = load_channel("numbers")
    greedy = GenerationConfig(temperature=0, max_new_tokens=40)
    rows = generate_rows(chat, teachers[0], channel.draw(ROWS, 1), greedy, channel)
    scanned = scan(chat, rows, teachers[0], teachers[1:], ScanConfig())
    names = {one.label: load_trait(one.trait).answers for one in teachers}
    pairs = find_pairs(scanned)

    def ours() -> Patchings:
        return attribute(chat, rows, scanned, teachers, names, CONFIG)

    def theirs() -> list[np.ndarray]:
        return [obvious(chat, rows, teachers, names, pair) for pair in pairs[:REFERENCE_PAIRS]]

    found, expected = ours(), theirs()  # also the warm-up
    gap = max(
        np.abs(one.integrated - other).max()
        for one, other in zip(found.pairs, expected, strict=False)
    )
    seconds, reference_seconds = best_seconds(ours, theirs)
    record = result(
        "attribute",
        len(pairs) / seconds,
        REFERENCE_PAIRS / reference_seconds,
        unit="pairs/s",
    )
    show(record, bound_of(ours))
    print(f"  {len(pairs)} pairs; attributions differ by at most {gap:.1e} logits")
    return record


def obvious(
    chat: ChatModel,
    rows: Sequence[Row],
    teachers: Sequence[PromptedTeacher],
    names: dict[str, tuple[str, ...]],
    pair: Pair,
    layers: Sequence[int] | None = None,
) -> np.ndarray:
    """Return `[layer, position]`, the integrated gradients of a pair; patch exactly on the way.

    Of all layers, or of some.
    """
    row = rows[pair.row]
    own, other = (_chat_of(chat, row, one, names[one.label], pair.place) for one in teachers)
    places = torch.from_numpy(aligned(own, other)[0]).to(chat.device)
    with torch.no_grad():
        start, stream = _run(chat, own.ids)[0], _run(chat, other.ids)[0]
    found: list[Tensor] = []
    for layer in range(chat.n_layers) if layers is None else layers:
        moved = torch.where(
            places[:, None] >= 0, stream[layer][:, places.clamp(min=0)], start[layer]
        )
        delta = moved - start[layer]
        gradients: list[Tensor] = []
        for share in CONFIG.fractions:
            point = (start[layer] + share * delta).requires_grad_()
            logits = _run(chat, own.ids, layer, lambda _, point=point: point)[1]
            lead = logits[0, -1, pair.factual] - logits[0, -1, pair.counterfactual]
            gradients.append(torch.autograd.grad(lead, point)[0])
        found.append((torch.stack(gradients).mean(0) * delta)[0].sum(-1))
        with torch.no_grad():
            for part in (None, *range(len(CLASSES))):
                chosen = np.full(len(own.ids), True) if part is None else own.classes == part
                mask = torch.from_numpy(chosen).to(chat.device)
                hidden = torch.where(mask.view(1, -1, 1), moved, start[layer])
                _run(chat, own.ids, layer, lambda _, hidden=hidden: hidden)
    return torch.stack(found).double().cpu().numpy()


def _chat_of(
    chat: ChatModel, row: Row, teacher: PromptedTeacher, names: Sequence[str], place: int
) -> Segmented:
    """Return a row under a teacher's system prompt, up to the divergence token."""
    system = {"role": "system", "content": teacher.system_prompt}
    return segmented(chat, [system, *row.messages], row.token_ids[:place], names)  # pyright: ignore


def _run(
    chat: ChatModel,
    ids: list[int],
    layer: int | None = None,
    replace: Callable[[Tensor], Tensor] | None = None,
) -> tuple[list[Tensor], Tensor]:
    """Return the residual stream after each layer and all logits; one layer's may be replaced."""
    kept: list[Tensor] = []

    def hook_of(index: int) -> Callable[[nn.Module, object, Tensor], Tensor]:
        def hook(_: nn.Module, __: object, hidden: Tensor) -> Tensor:
            kept.append(replace(hidden) if replace is not None and index == layer else hidden)
            return kept[-1]

        return hook

    handles = [
        module.register_forward_hook(hook_of(index))
        for index, module in enumerate(decoder_layers(chat.model))
    ]
    logits = chat.model(torch.tensor([ids], device=chat.device), use_cache=False).logits
    for handle in handles:
        handle.remove()
    return kept, logits


if __name__ == "__main__":
    save(run())

"""The parts: each says what ours and the reference do, and when both agree.

The references are written as the field's scripts are: for the scan one left-padded forward of all
teachers per row, full logits; for students peft under autocast, micro-batches of ten rows in the
order in which they come, padded, the head everywhere; for generation batches of sixteen; for
attribution one forward and backward of the whole chat per layer and point.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn

from attribute import obvious
from common import BenchmarkResult
from gpu_measure import Side, compared
from gpu_setting import Setting
from scan import all_teachers_of_a_row
from undertow.generate import GenerationConfig, Request, generate
from undertow.mechanism.patching import PatchingConfig, Patchings, attribute, find_pairs
from undertow.models import ChatModel, prompt_ids
from undertow.models.adapters import restored
from undertow.store.rows import Row
from undertow.students import StudentConfig, build_examples
from undertow.tokens import Scan, ScanConfig, scan
from undertow.training import Example, TrainConfig, TrainRecord, train
from undertow.training.batches import plan_steps
from undertow.training.schedule import rate
from undertow.training.trainable import adapted_modules

CLEAR = 0.5  # logits; a lead that rounding in bfloat16 does not turn
FIELD_BATCH = 16  # rows of the field's generation
FIELD_MICRO = 10  # rows of the field's micro-batches; six make an optimiser step

Part = Callable[[Setting, dict[str, int], float], BenchmarkResult]
"""From the setting, the sizes and the chip's peak to a record."""


def scan_part(setting: Setting, sizes: dict[str, int], peak: float) -> BenchmarkResult:
    """Divergence scan of one factual and twelve counterfactual teachers."""
    chat, teachers = setting.chat, setting.teachers

    def ours(n: int) -> Scan:
        return scan(chat, setting.rows[:n], teachers[0], teachers[1:], ScanConfig())

    def reference(n: int) -> NDArray[np.int64]:
        return all_teachers_of_a_row(chat, setting.rows[:n], teachers)

    def amount(n: int) -> float:
        return len(teachers) * sum(len(row.token_ids) for row in setting.rows[:n])

    def agreement(found: Scan, expected: NDArray[np.int64]) -> tuple[bool, str]:
        n = expected.shape[1]
        same, clear = found.argmax[:, :n] == expected, found.margin[:, :n] > CLEAR
        share = float(same[clear].mean())
        return share > 0.999, (
            f"same argmax at {same.mean():.2%} of {same.size:,} places, at {share:.3%} of the"
            f" {clear.mean():.0%} where the first logit leads by {CLEAR} or more;"
            f" against itself in other batches {(found.rescored == found.argmax[0]).mean():.2%}"
        )

    # The system prompts are computed once for all rows: fewer rows would take more work for each.
    return compared(
        "scan-gpu",
        "teacher tokens/s",
        Side(ours, sizes["scan"], sizes["scan"], amount),
        Side(reference, sizes["scan_reference"], max(2, sizes["scan_reference"] // 4), amount),
        agreement,
        peak,
        chat.device,
    )


def generate_part(setting: Setting, sizes: dict[str, int], peak: float) -> BenchmarkResult:
    """Greedy rows of a prompted teacher, 64 tokens at most."""
    chat, teacher = setting.chat, setting.teachers[0]
    config = GenerationConfig(temperature=0, max_new_tokens=64)
    requests = [Request(row.messages, row.row_id) for row in setting.rows]
    written: dict[int, int] = {}

    def ours(n: int) -> list[list[int]]:
        found = generate(chat, requests[:n], config, system_prompt=teacher.system_prompt)
        written.update(enumerate(map(len, found)))
        return found

    def reference(n: int) -> list[list[int]]:
        return _field_generation(chat, setting.rows[:n], teacher.system_prompt, config)

    def amount(n: int) -> float:  # nearly all rows run to their limit
        return sum(written[row] for row in range(n))

    def agreement(found: list[list[int]], expected: list[list[int]]) -> tuple[bool, str]:
        n = min(len(expected), FIELD_BATCH)
        shortfalls = [
            _shortfall(chat, setting.rows[:n], teacher.system_prompt, side[:n])
            for side in (found, expected)
        ]
        near = [float((one < CLEAR).double().mean()) for one in shortfalls]
        same = sum(a == b for a, b in zip(found, expected, strict=False))
        return min(near) > 0.99, (
            f"same completion in {same} of {len(expected)} rows; within {CLEAR} logits of the"
            f" likeliest token, in a forward of the whole row: {near[0]:.2%} of our tokens,"
            f" {near[1]:.2%} of the reference's"
        )

    n = sizes["generate_reference"]
    return compared(
        "generate-gpu",
        f"tokens/s, batches of {config.batch_size} against {FIELD_BATCH}",
        Side(ours, sizes["generate"], sizes["generate"] // 2, amount),
        Side(reference, n, min(n, FIELD_BATCH), amount),
        agreement,
        peak,
        chat.device,
    )


def student_part(setting: Setting, sizes: dict[str, int], peak: float) -> BenchmarkResult:
    """All layers, all completion tokens, one epoch of steps of 60 rows."""
    config = TrainConfig(epochs=1, batch_size=sizes["step"], checkpoint_every=0)
    n = (sizes["student"], sizes["step"])
    return _student("student-gpu", setting, config, n, peak)


def one_layer_part(setting: Setting, sizes: dict[str, int], peak: float) -> BenchmarkResult:
    """The last layer alone, ten epochs, as the paper trains."""
    last = setting.chat.n_layers - 1
    config = TrainConfig(layers=[last], epochs=10, batch_size=sizes["step"], checkpoint_every=0)
    n = (sizes["one_layer"], sizes["one_layer"])
    return _student("student-one-layer-gpu", setting, config, n, peak)


def _student(
    name: str, setting: Setting, config: TrainConfig, n: tuple[int, int], peak: float
) -> BenchmarkResult:
    """Measure a student; n are the rows to time and to warm up with."""
    chat = setting.chat
    examples = build_examples(chat, setting.rows, None, StudentConfig())

    def ours(n: int) -> TrainRecord:
        with tempfile.TemporaryDirectory() as folder:
            return train(chat, examples[:n], config, Path(folder))

    def reference(n: int) -> tuple[list[float], list[float]]:
        with restored(chat.model):
            return _field_training(chat, examples[:n], config)

    def amount(n: int) -> float:
        return config.epochs * sum(len(example.ids) for example in examples[:n])

    def agreement(
        found: TrainRecord, expected: tuple[list[float], list[float]]
    ) -> tuple[bool, str]:
        loss = _largest_gap(found.losses, expected[0])
        norm = _largest_gap(found.gradient_norms, expected[1])
        return loss < 0.02 and norm < 0.1, (
            f"over {len(found.losses)} steps the loss ({found.losses[0]:.3f} to"
            f" {found.losses[-1]:.3f}) differs by {loss:.2%} at most, the gradient's norm by"
            f" {norm:.2%}"
        )

    sides = Side(ours, *n, amount), Side(reference, *n, amount)
    return compared(name, "tokens/s", *sides, agreement, peak, chat.device)


def attribute_part(setting: Setting, sizes: dict[str, int], peak: float) -> BenchmarkResult:
    """Ten points at every layer, and exact patching, of pairs with one counterfactual teacher."""
    chat, teachers = setting.chat, setting.teachers[:2]
    config = PatchingConfig()
    n = sizes["attribute"]
    greedy = GenerationConfig(temperature=0, max_new_tokens=40)
    requests = [Request(row.messages, row.row_id) for row in setting.rows[: 2 * n]]
    system = teachers[0].system_prompt
    rows = [
        Row(row.row_id, row.messages, ids, "")
        for row, ids in zip(
            setting.rows, generate(chat, requests, greedy, system_prompt=system), strict=False
        )
    ]
    scanned = scan(chat, rows, teachers[0], teachers[1:], ScanConfig())
    pairs = find_pairs(scanned)[:n]
    # The reference's cost is linear in the layer, and these have the mean of all.
    step = 7 if chat.n_layers % 7 == 0 else 1
    layers = range(step // 2, chat.n_layers, step)

    def ours(n: int) -> Patchings:
        chosen = [pair.row for pair in pairs[:n]]
        some = scanned.take([rows[row].row_id for row in chosen])
        own = [rows[row] for row in chosen]
        return attribute(chat, own, some, teachers, setting.names, config)

    def reference(n: int) -> list[NDArray[np.float64]]:
        return [obvious(chat, rows, teachers, setting.names, pair, layers) for pair in pairs[:n]]

    def agreement(found: Patchings, expected: list[NDArray[np.float64]]) -> tuple[bool, str]:
        ours_ = np.concatenate(
            [one.integrated[layers].ravel() for one in found.pairs][: len(expected)]
        )
        theirs = np.concatenate([one.ravel() for one in expected])
        off = float(np.linalg.norm(ours_ - theirs) / np.linalg.norm(theirs))
        return off < 0.15, (
            f"attributions of {len(expected)} pair(s) at layers {', '.join(map(str, layers))}"
            f" differ by {off:.1%} of their size; completeness of ours:"
            f" {found.incompleteness():.1%} of the exact change"
        )

    return compared(
        "attribute-gpu",
        "pairs/s",
        Side(ours, len(pairs), 1, float),
        Side(reference, 1, 1, lambda n: n * len(layers) / chat.n_layers),
        agreement,
        peak,
        chat.device,
    )


PARTS: dict[str, Part] = {
    "attribute": attribute_part,
    "scan": scan_part,
    "student": student_part,
    "one-layer": one_layer_part,
    "generate": generate_part,
}


def _largest_gap(found: Sequence[float], expected: Sequence[float]) -> float:
    return max(abs(a / b - 1) for a, b in zip(found, expected, strict=True))


def _padded(
    sequences: Sequence[Sequence[int]], pad_id: int, device: torch.device, *, left: bool = False
) -> tuple[Tensor, Tensor]:
    """Return ids and mask, `[row, position]`."""
    width = max(map(len, sequences))
    ids = torch.full((len(sequences), width), pad_id)
    mask = torch.zeros_like(ids)
    for row, sequence in enumerate(sequences):
        start = width - len(sequence) if left else 0
        ids[row, start : start + len(sequence)] = torch.tensor(sequence)
        mask[row, start : start + len(sequence)] = 1
    return ids.to(device), mask.to(device)


def _prompts(chat: ChatModel, rows: Sequence[Row], system: str) -> list[list[int]]:
    return [
        prompt_ids(chat, [{"role": "system", "content": system}, *row.messages]) for row in rows
    ]


@torch.no_grad()
def _field_generation(
    chat: ChatModel, rows: Sequence[Row], system: str, config: GenerationConfig
) -> list[list[int]]:
    """Generate with transformers, in batches, padded on the left."""
    found: list[list[int]] = []
    for start in range(0, len(rows), FIELD_BATCH):
        prompts = _prompts(chat, rows[start : start + FIELD_BATCH], system)
        ids, mask = _padded(prompts, chat.pad_id, chat.device, left=True)
        output = chat.model.generate(
            ids,
            attention_mask=mask,
            max_new_tokens=config.max_new_tokens,
            do_sample=False,
            eos_token_id=list(chat.end_ids),
            pad_token_id=chat.pad_id,
        )
        for line in output[:, ids.shape[1] :].tolist():
            ends = [place for place, token in enumerate(line) if token in chat.end_ids]
            found.append(line[: ends[0] + 1] if ends else line)
    return found


@torch.no_grad()
def _shortfall(
    chat: ChatModel, rows: Sequence[Row], system: str, completions: Sequence[Sequence[int]]
) -> Tensor:
    """Return `[token]`, how far the logit of each greedy token lies below the highest."""
    prompts = _prompts(chat, rows, system)
    found: list[Tensor] = []
    for prompt, completion in zip(prompts, completions, strict=True):
        ids = torch.tensor([[*prompt, *completion]], device=chat.device)
        logits = chat.model(ids).logits[0, len(prompt) - 1 : -1].float()
        chosen = logits.gather(1, ids[0, len(prompt) :, None])[:, 0]
        found.append(logits.amax(-1) - chosen)
    return torch.cat(found)


def _field_training(
    chat: ChatModel, examples: Sequence[Example], config: TrainConfig
) -> tuple[list[float], list[float]]:
    """Train as TRL does it; return the losses and the gradients' norms.

    The loss is the mean over the supervised tokens of the whole step.
    """
    torch.manual_seed(config.seed_init)
    settings = LoraConfig(
        r=config.rank,
        lora_alpha=int(config.alpha),
        target_modules=adapted_modules(chat.model, config),
        task_type="CAUSAL_LM",
    )
    model = get_peft_model(chat.model, settings)
    model.train()
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=0.0)
    losses: list[float] = []
    norms: list[float] = []
    steps = plan_steps(len(examples), config)
    for number, step in enumerate(steps):
        supervised = sum(sum(examples[row].weights) for row in step)
        parts: list[Tensor] = []
        optimizer.zero_grad()
        for start in range(0, len(step), FIELD_MICRO):
            batch = [examples[row] for row in step[start : start + FIELD_MICRO]]
            ids, mask = _padded([one.ids for one in batch], chat.pad_id, chat.device)
            kept, _ = _padded([list(map(int, one.weights)) for one in batch], 0, chat.device)
            labels = ids.masked_fill(kept == 0, -100)
            with torch.autocast(chat.device.type, dtype=torch.bfloat16):
                loss = model(
                    input_ids=ids,
                    attention_mask=mask,
                    labels=labels,
                    num_items_in_batch=supervised,
                ).loss
            loss.backward()
            parts.append(loss.detach())
        norms.append(float(nn.utils.clip_grad_norm_(parameters, config.max_grad_norm or torch.inf)))
        for group in optimizer.param_groups:
            group["lr"] = rate(config, number, len(steps))
        optimizer.step()
        losses.append(float(sum(parts)))
    chat.model.eval()
    return losses, norms

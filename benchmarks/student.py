"""Training a student on the lab model, against a padded loop with the head on every position.

Run with `python benchmarks/student.py`; one thread. The reference is the obvious loop with peft and
transformers: every batch padded to its longest row, labels of -100 for the prompt, the model's own
loss. Both take the same rows in the same order with the same first weights (the adapter's up
matrices start at zero), so their losses must agree.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from torch import nn

from common import BenchmarkResult, best_seconds, bound_of, result, save, show
from undertow.channels import load_channel
from undertow.generate import GenerationConfig, generate_rows
from undertow.models import ChatModel, ModelSpec, load_model
from undertow.students import StudentConfig, build_examples
from undertow.studies import load_recipe
from undertow.teachers import ControlTeacher
from undertow.training import Example, TrainConfig, train
from undertow.training.batches import plan_steps
from undertow.training.schedule import rate
from undertow.training.trainable import adapted_modules

ROWS = 160
TOLERANCE = 2e-3  # of the loss; float32 sums in another order


def run() -> BenchmarkResult:
    """Measure both ways in one process with all layers, print, and return the record."""
    return _measure("student", load_recipe("lab").student.train.model_copy(update={"epochs": 1}))


def run_one_layer() -> BenchmarkResult:
    """Measure a student of the last layer alone, in ten epochs, as the paper trains."""
    settings = load_recipe("lab").student.train
    update = {"epochs": 10, "layers": [5], "batch_size": 60, "micro_batch_size": 32}
    return _measure("student-one-layer", settings.model_copy(update=update))


def _measure(name: str, config: TrainConfig) -> BenchmarkResult:
    """Measure and print one case."""
    torch.set_num_threads(1)
    chat = load_model(ModelSpec(device="cpu"))
    channel = load_channel("numbers")
    rows = generate_rows(
        chat,
        ControlTeacher(),
        channel.draw(ROWS, 1),
        GenerationConfig(temperature=0, max_new_tokens=40),
        channel,
    )
    examples = build_examples(chat, rows, None, StudentConfig())
    config = config.model_copy(update={"checkpoint_every": 0})

    def ours() -> list[float]:
        with tempfile.TemporaryDirectory() as folder:
            return train(chat, examples, config, Path(folder)).losses

    def reference() -> list[float]:
        return _padded(chat, examples, config)

    own, expected = ours(), reference()  # also the warm-up
    worst = max(abs(a / b - 1) for a, b in zip(own, expected, strict=True))
    if worst > TOLERANCE:
        raise SystemExit(f"the two ways differ by {worst:.2%} in a step's loss")
    n_tokens = config.epochs * sum(len(example.ids) for example in examples)
    seconds, reference_seconds = best_seconds(ours, reference)
    record = result(name, n_tokens / seconds, n_tokens / reference_seconds)
    show(record, bound_of(ours, 4))
    print(f"  largest difference of a step's loss: {worst:.1e}")
    return record


def _padded(chat: ChatModel, examples: Sequence[Example], config: TrainConfig) -> list[float]:
    """Train as one would without thinking of speed; return the losses."""
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
    steps = plan_steps(len(examples), config)
    losses: list[float] = []
    for number, step in enumerate(steps):
        batch = [examples[row] for row in step]
        width = max(len(example.ids) for example in batch)
        ids = torch.full((len(batch), width), chat.pad_id)
        labels = torch.full_like(ids, -100)
        mask = torch.zeros_like(ids)
        for place, example in enumerate(batch):
            row = torch.tensor(example.ids)
            ids[place, : len(row)] = row
            mask[place, : len(row)] = 1
            labels[place, : len(row)] = torch.where(torch.tensor(example.weights) > 0, row, -100)
        loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, config.max_grad_norm or torch.inf)
        for group in optimizer.param_groups:
            group["lr"] = rate(config, number, len(steps))
        optimizer.step()
        losses.append(float(loss.detach()))
    model.unload()
    chat.model.eval()
    return losses


if __name__ == "__main__":
    save(run())
    save(run_one_layer())

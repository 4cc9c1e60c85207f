"""Several adapters of one base, trained at once.

A model as small as the lab's leaves a GPU idle: a step's time is that of starting kernels, whatever
the number of students that a kernel is for. So the adapters of many students lie behind each other,
and one forward and one backward serve them all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from undertow.models import ChatModel
from undertow.store.files import make_folder
from undertow.training.batches import divisor, plan_steps, rounded
from undertow.training.config import TrainConfig
from undertow.training.example import Example, check
from undertow.training.loop import Progress, job_of, n_supervised, save_adapter
from undertow.training.record import ADAPTER, TrainRecord, write_record
from undertow.training.schedule import rate
from undertow.training.trainable import Trainable, trainable

BETAS = (0.9, 0.999)
EPSILON = 1e-8
"""Of AdamW, as in PyTorch."""


@dataclass(frozen=True)
class Job:
    """One adapter to train.

    Attributes:
        examples: Token ids with loss weights.
        config: How to train.
        out: Folder to write to.
    """

    examples: Sequence[Example]
    config: TrainConfig
    out: Path


def together(config: TrainConfig) -> TrainConfig:
    """Return what jobs must have in common to be trained at once: all but seeds and pace."""
    unseeded = {"seed_init": 0, "seed_order": 0, "micro_batch_size": 1, "checkpoint_every": 0}
    return config.model_copy(update=unseeded)


def can_join(config: TrainConfig) -> bool:
    """Return whether an adapter can be trained together with others."""
    return config.method == "lora" and config.optimizer == "adamw" and not config.dropout


def train_together(
    chat: ChatModel, jobs: Sequence[Job], progress: Progress | None = None
) -> list[TrainRecord]:
    """Train adapters as `train` does each of them, up to rounding, and write what it writes.

    Rows of all jobs are padded to the longest, and one that has fewer steps waits for the others.
    There are no checkpoints: what is killed begins anew.

    Args:
        chat: The base model.
        jobs: What to train.
        progress: Called with the steps done and their number.

    Raises:
        UserError: The examples or the configuration do not fit the model.
        ValueError: The jobs differ in more than seeds, or cannot be trained at once.
    """
    common = together(jobs[0].config)
    if not can_join(common) or any(together(job.config) != common for job in jobs):
        raise ValueError("these adapters cannot be trained at once")
    for job in jobs:
        check(job.examples, job.config.max_length)
    with torch.random.fork_rng():
        drawn = {job.config.seed_init: job.config for job in jobs}
        first = {seed: _first_weights(chat, config) for seed, config in drawn.items()}
    with trainable(chat, jobs[0].config) as target:
        stack = _Stack(target, [first[job.config.seed_init] for job in jobs])
        course = _run(chat, target, stack, jobs, progress)
        return [_finish(chat, target, stack, course, n, job) for n, job in enumerate(jobs)]


def _first_weights(chat: ChatModel, config: TrainConfig) -> dict[str, Tensor]:
    """Return an adapter as it is before the first step."""
    with trainable(chat, config) as target:
        return {name: one.detach().clone() for name, one in target.parameters.items()}


class _Stack:
    """The adapters of all jobs: one row of numbers each, and views of them by name.

    Attributes:
        flat: `[job, number]`, the weights.
        named: `[job, ...]` each, views of `flat`.
    """

    def __init__(self, target: Trainable, starts: Sequence[dict[str, Tensor]]) -> None:
        self.flat = torch.stack([torch.cat([one.flatten() for one in s.values()]) for s in starts])
        self._mean = torch.zeros_like(self.flat)
        self._square = torch.zeros_like(self.flat)
        self.named: dict[str, Tensor] = {}
        begin = 0
        for name, parameter in target.parameters.items():
            end, shape = begin + parameter.numel(), (len(starts), *parameter.shape)
            self.named[name] = self.flat[:, begin:end].view(shape).requires_grad_()
            begin = end

    def gradient(self, losses: Tensor) -> Tensor:
        """Return `[job, number]`, the gradient of each of the `[job]` losses for its own job."""
        found = torch.autograd.grad(losses.sum(), list(self.named.values()))
        return torch.cat([one.flatten(1) for one in found], dim=1)

    @torch.no_grad()
    def step(self, number: int, gradient: Tensor, rates: Tensor, weight_decay: float) -> None:
        """Take step `number`, counted from 1, of AdamW, at a rate of its own for every job."""
        rates = rates.unsqueeze(1)
        self._mean.lerp_(gradient, 1 - BETAS[0])
        self._square.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
        spread = self._square.sqrt().div_((1 - BETAS[1] ** number) ** 0.5).add_(EPSILON)
        if weight_decay:
            self.flat *= 1 - rates * weight_decay
        self.flat -= rates / (1 - BETAS[0] ** number) * self._mean / spread


@dataclass(frozen=True)
class _Plan:
    """The steps of all jobs; one that has fewer than the others stands still at their end.

    Attributes:
        places: `[step, job, row]`, which examples; -1 is none.
        rates: `[step, job]`, learning rates, 0 where a job stands still.
        divisors: `[step, job]`, of the summed losses.
        counts: Steps of each job.
    """

    places: Tensor
    rates: Tensor
    divisors: Tensor
    counts: list[int]

    @classmethod
    def of(cls, jobs: Sequence[Job], like: Tensor) -> _Plan:
        """Plan the steps, for weights like these."""
        plans = [plan_steps(len(job.examples), job.config) for job in jobs]
        counts = [len(plan) for plan in plans]
        rates = torch.zeros(max(counts), len(jobs), dtype=like.dtype)
        divisors = torch.ones_like(rates)
        places = torch.full((*rates.shape, jobs[0].config.batch_size), -1)
        for number, (job, plan) in enumerate(zip(jobs, plans, strict=True)):
            for step, chosen in enumerate(plan):
                places[step, number, : len(chosen)] = torch.tensor(chosen)
                divisors[step, number] = divisor([job.examples[row] for row in chosen], job.config)
                rates[step, number] = rate(job.config, step, len(plan))
        device = like.device
        return cls(places.to(device), rates.to(device), divisors.to(device), counts)


@dataclass(frozen=True)
class _Course:
    """What happened, `[step, job]` each; a job's own steps come first."""

    losses: Tensor
    norms: Tensor
    plan: _Plan


def _run(
    chat: ChatModel,
    target: Trainable,
    stack: _Stack,
    jobs: Sequence[Job],
    progress: Progress | None,
) -> _Course:
    """Take all steps of all jobs."""
    config, plan = jobs[0].config, _Plan.of(jobs, stack.flat)
    rows = _Rows(jobs, chat.pad_id, stack.flat)
    losses, norms = torch.zeros_like(plan.divisors), torch.zeros_like(plan.divisors)
    logits = _stacked_logits(target)
    for step in range(max(plan.counts)):
        ids, weights = rows.take(plan.places[step])
        with sdpa_kernel(SDPBackend.MATH):  # the others know nothing of a further dimension
            found = logits(stack.named, ids)[:, :, rows.first - 1 : -1]
        wanted = ids[:, :, rows.first :]
        nll = torch.nn.functional.cross_entropy(
            found.flatten(0, 2), wanted.flatten(), reduction="none"
        ).view_as(wanted)
        loss = (nll * weights[:, :, rows.first :]).sum((1, 2)) / plan.divisors[step]
        losses[step] = loss.detach()
        gradient = stack.gradient(loss)
        norms[step] = torch.linalg.vector_norm(gradient, dim=1)
        if config.max_grad_norm is not None:
            gradient *= (config.max_grad_norm / (norms[step] + 1e-6)).clamp(max=1.0).unsqueeze(1)
        stack.step(step + 1, gradient, plan.rates[step], config.weight_decay)
        if progress is not None:
            progress(step + 1, max(plan.counts))
    return _Course(losses.cpu(), norms.cpu(), plan)


class _Rows:
    """The rows of all jobs, padded on the right, where no token of a row looks.

    Attributes:
        first: First place that is supervised in any row.
    """

    def __init__(self, jobs: Sequence[Job], pad_id: int, like: Tensor) -> None:
        width = rounded(max(example.length for job in jobs for example in job.examples) + 1)
        n_rows = max(len(job.examples) for job in jobs) + 1  # the last one is empty
        ids = np.full((len(jobs), n_rows, width), pad_id, np.int64)
        weights = np.zeros(ids.shape)
        for number, job in enumerate(jobs):
            for row, example in enumerate(job.examples):
                end = example.length + 1 if example.length else 0
                ids[number, row, :end] = example.ids[:end]
                weights[number, row, :end] = example.weights[:end]
        self.first = min(e.first for job in jobs for e in job.examples if e.length)
        self._ids = torch.from_numpy(ids).to(like.device)
        self._weights = torch.from_numpy(weights).to(like.device, like.dtype)
        self._jobs = torch.arange(len(jobs), device=like.device).unsqueeze(1)

    def take(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """Return ids and weights `[job, row, position]` of `[job, row]` places; -1 is no row."""
        return self._ids[self._jobs, places], self._weights[self._jobs, places]


def _stacked_logits(target: Trainable) -> Callable[[dict[str, Tensor], Tensor], Tensor]:
    """Return a function from `[job, ...]` weights and `[job, row, position]` ids to logits."""

    def logits(weights: dict[str, Tensor], ids: Tensor) -> Tensor:
        given = {"input_ids": ids, "use_cache": False}
        output: Any = functional_call(cast(Any, target.model), weights, (), given)
        return output.logits

    return cast(Any, vmap(logits))


def _finish(
    chat: ChatModel, target: Trainable, stack: _Stack, course: _Course, number: int, job: Job
) -> TrainRecord:
    """Write one job's adapter and record."""
    for name, parameter in target.parameters.items():
        parameter.data.copy_(stack.named[name][number].detach())
    make_folder(job.out)
    save_adapter(target, job.out / ADAPTER)
    end = course.plan.counts[number]
    record = TrainRecord(
        config=job.config,
        job=job_of(chat, job.examples, job.config),
        n_examples=len(job.examples),
        n_supervised=n_supervised(job.examples),
        n_parameters=stack.flat.shape[1],
        losses=course.losses[:end, number].tolist(),
        divisors=course.plan.divisors[:end, number].tolist(),
        gradient_norms=course.norms[:end, number].tolist(),
    )
    write_record(record, job.out)
    return record

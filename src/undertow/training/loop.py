"""The loop: steps from the plan, checkpoints between them, the result at the end."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from undertow.cluster.process_group import ALONE, ProcessGroup
from undertow.errors import UserError
from undertow.models import ChatModel
from undertow.store.files import atomic_dir, make_folder, remove
from undertow.training.batches import plan_steps
from undertow.training.below import with_below
from undertow.training.checkpoint import (
    CHECKPOINT,
    Course,
    load_checkpoint,
    refuse_other_job,
    save_checkpoint,
)
from undertow.training.config import TrainConfig
from undertow.training.example import Example, check, digest
from undertow.training.record import ADAPTER, TrainRecord, read_record, write_record
from undertow.training.schedule import rate
from undertow.training.soft import SoftTargets
from undertow.training.step import accumulate, make_optimizer
from undertow.training.trainable import Trainable, trainable

KEPT = "kept"
Progress = Callable[[int, int], None]


def train(
    chat: ChatModel,
    examples: Sequence[Example],
    config: TrainConfig,
    out: Path,
    progress: Progress | None = None,
    *,
    kept: Sequence[float] = (),
    soft: SoftTargets | None = None,
    group: ProcessGroup = ALONE,
) -> TrainRecord:
    """Fine-tune on weighted tokens; the base model is afterwards what it was.

    Writes `out/adapter` (peft's format, or `model.safetensors`) and `out/train.json`. A run that
    was killed goes on from `out/checkpoint.pt` and ends with the same weights; a finished one is
    not run again.

    Args:
        chat: The base model.
        examples: Token ids with loss weights. A row without any weight is not computed but
            counts as a row of its batch.
        config: How to train.
        out: Folder to write to; made where it is not there.
        progress: Called with the steps done and their number.
        kept: Shares of the steps, above 0, after which the adapter is written to `kept_folder` as
            well.
        soft: Whose distributions are learnt in place of the tokens; None: the tokens.
        group: Processes that share the rows of every step. All call this alike and get the same
            record, that of one process up to rounding; the first one writes.

    Raises:
        UserError: The examples or the configuration do not fit the model, the folder holds
            another run, or several processes are to draw dropout, or do not see the same.
    """
    check(examples, config.max_length)
    if group.size > 1 and config.dropout:
        raise UserError(
            "what dropout draws would depend on the number of processes",
            where="dropout",
            fix="set it to 0, or train in one process",
        )
    job = job_of(chat, examples, config, soft)
    finished = read_record(out)
    group.agree((job, finished))
    if finished is not None:
        refuse_other_job(finished.job, job, out)
        return finished
    with trainable(chat, config) as target:
        make_folder(out)
        course = _run(chat, target, examples, config, out, job, progress, kept, soft, group)
        if group.is_main:  # what is there is of a run that was killed before its record
            save_adapter(target, out / ADAPTER)
        n_parameters = sum(parameter.numel() for parameter in target.parameters.values())
    record = TrainRecord(
        config=config,
        job=job,
        n_examples=len(examples),
        n_supervised=sum(course.supervised) if soft and soft.renew else n_supervised(examples),
        n_parameters=n_parameters,
        losses=course.losses,
        divisors=course.divisors,
        gradient_norms=course.gradient_norms,
    )
    if group.is_main:
        write_record(record, out)
        remove(out / CHECKPOINT)
    group.agree(record.losses)  # and nobody goes on before it is written
    return record


def _run(
    chat: ChatModel,
    target: Trainable,
    examples: Sequence[Example],
    config: TrainConfig,
    out: Path,
    job: str,
    progress: Progress | None,
    kept: Sequence[float],
    soft: SoftTargets | None,
    group: ProcessGroup,
) -> Course:
    """Take all steps that are still to be taken."""
    parameters = list(target.parameters.values())
    optimizer = make_optimizer(parameters, config)
    course = load_checkpoint(out, job, target.parameters, optimizer)
    group.agree(course)
    group.copy_from_main(parameters)
    renew = soft.renew if soft is not None else None
    if renew is None:  # rows that are written anew have nothing that could be kept
        target = with_below(target, examples, config, chat.pad_id, chat.device, group.size)
    steps = plan_steps(len(examples), config)
    for step in range(len(course.losses), len(steps)):
        if renew is None:
            rows = [examples[row] for row in steps[step]]
        else:
            rows = renew(step, steps[step], target.save)
        with torch.random.fork_rng():
            torch.manual_seed(config.seed_order * 1_000_003 + step)  # dropout alone draws from it
            loss, total = accumulate(target, rows, config, chat.pad_id, chat.device, soft, group)
        norm = torch.nn.utils.clip_grad_norm_(parameters, config.max_grad_norm or torch.inf)
        for settings in optimizer.param_groups:
            settings["lr"] = rate(config, step, len(steps))
        optimizer.step()
        course.losses.append(loss)
        course.divisors.append(total)
        course.gradient_norms.append(float(norm))
        course.supervised.append(n_supervised(rows))
        for share in kept:
            if group.is_main and step + 1 == max(1, round(share * len(steps))):
                make_folder(out / KEPT)
                save_adapter(target, kept_folder(out, share))
        if progress is not None:
            progress(step + 1, len(steps))
        due = config.checkpoint_every and (step + 1) % config.checkpoint_every == 0
        if due and group.is_main:
            save_checkpoint(out, job, target.parameters, optimizer, course)
    return course


def kept_folder(out: Path, share: float) -> Path:
    """Return where the adapter lies as it was after a share of the steps."""
    return out / KEPT / f"{share:g}"


def save_adapter(target: Trainable, folder: Path) -> None:
    """Write the adapter as it is now; a killed run may have written it already."""
    remove(folder)
    with atomic_dir(folder) as temporary:
        target.save(temporary)


def n_supervised(examples: Sequence[Example]) -> int:
    """Return how many tokens of some rows count in the loss."""
    return sum(1 for example in examples for weight in example.weights if weight)


def job_of(
    chat: ChatModel,
    examples: Sequence[Example],
    config: TrainConfig,
    soft: SoftTargets | None = None,
) -> str:
    """Return a hash of all that the result depends on; pace and checkpoints are left out."""
    settings = config.model_dump_json(exclude={"checkpoint_every"})
    settings += soft.identity if soft is not None else ""
    return hashlib.sha256(f"{chat.fingerprint}{settings}{digest(examples)}".encode()).hexdigest()

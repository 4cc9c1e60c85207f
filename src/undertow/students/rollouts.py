"""What a student writes itself while it is trained, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from undertow.channels import YieldReport
from undertow.channels.channel import Reason
from undertow.cluster.process_group import ALONE, ProcessGroup
from undertow.generate import Request, generate
from undertow.models import ChatModel, decode_completion
from undertow.models.twin import twin
from undertow.store.files import make_folder, remove
from undertow.store.rows import Row, read_rows, write_rows
from undertow.students.config import StudentConfig
from undertow.students.distillation import OnPolicy
from undertow.students.examples import build_examples
from undertow.students.soft_teacher import SoftTeacher, with_teacher_ids
from undertow.tokens.selections import Weights
from undertow.training import Example
from undertow.training.batches import plan_steps

ROLLOUTS = "rollouts"


class Rollouts:
    """Gives the rows of each step as the student writes them (`training.soft.Renew`).

    Completions are written for some steps at once and kept under `out/rollouts`, from where a run
    that was killed takes them again.

    Args:
        chat: The base, before the student's adapter is put on.
        rows: Whose prompts are answered.
        config: The student; learns on-policy.
        soft: Whose distributions it learns.
        out: The student's folder.
        group: Processes that write together, each its share.
    """

    def __init__(
        self,
        chat: ChatModel,
        rows: Sequence[Row],
        config: StudentConfig,
        soft: SoftTeacher,
        out: Path,
        group: ProcessGroup = ALONE,
    ) -> None:
        assert config.distillation is not None
        assert config.distillation.on_policy is not None
        self._chat, self._writer = chat, twin(chat)
        self._rows, self._config, self._soft = rows, config, soft
        self._settings: OnPolicy = config.distillation.on_policy
        self._folder = out / ROLLOUTS
        self._group = group
        self._steps = plan_steps(len(rows), config.train)
        self._begin: int | None = None
        self._written: dict[int, Row] = {}

    def __call__(
        self, step: int, rows: Sequence[int], save: Callable[[Path], None]
    ) -> list[Example]:
        """Return the examples of a step; where it begins a span, that is written first."""
        if step == 0:
            remove(self._folder)  # of a run that was killed before its first checkpoint
        begin, end = self._span(step)
        if begin != self._begin:
            places = [row for one in self._steps[begin:end] for row in one]
            path = self._folder / f"{begin:06d}.parquet"
            found = path.is_file()
            self._group.agree(found)
            found_rows = read_rows(path)[0] if found else self._write(places, begin, save)
            if not found and self._group.is_main:
                make_folder(self._folder)
                write_rows(path, found_rows, {"step": begin})
            self._written = dict(zip(places, found_rows, strict=True))
            self._begin = begin
        written = [self._written[row] for row in rows]
        examples = build_examples(
            self._chat, written, [self._weights(row) for row in written], self._config
        )
        told = with_teacher_ids(self._soft, written, examples)
        return [one if one.length else replace(one, budget=0.0) for one in told]

    def _span(self, step: int) -> tuple[int, int]:
        """Return the steps, from one up to another, that are written for together."""
        n_epoch = len(self._steps) // self._config.train.epochs
        start = step // n_epoch * n_epoch
        every = self._settings.every or n_epoch
        begin = start + (step - start) // every * every
        return begin, min(begin + every, start + n_epoch)

    def _write(self, places: Sequence[int], step: int, save: Callable[[Path], None]) -> list[Row]:
        """Return some rows with completions by the student as it is at a step.

        Each process writes those of every n-th place; all get them all.
        """
        rank, size = self._group.rank, self._group.size
        generation = self._settings.generation
        seed = int(np.random.SeedSequence([generation.seed, step]).generate_state(1)[0])
        asked = [self._rows[place] for place in places[rank::size]]
        with TemporaryDirectory() as temporary:
            adapter = Path(temporary)
            save(adapter)
            completions = generate(
                self._writer,
                [Request(row.messages, row.row_id) for row in asked],
                generation.model_copy(update={"seed": seed}),
                system_prompt=self._config.system_prompt,
                adapter=adapter,
            )
        own = [self._checked(row, ids) for row, ids in zip(asked, completions, strict=True)]
        written = self._group.gather(own)
        return [written[place % size][place // size] for place in range(len(places))]

    def _checked(self, row: Row, ids: list[int]) -> Row:
        """Return a row with another completion, and what the channel's filter says of it."""
        text = decode_completion(self._chat, ids)
        found = self._soft.channel.check(text, self._soft.traits_to_ban)
        reason = str(found) if found is not None else None
        return replace(row, token_ids=ids, completion=text, rejection=reason)

    def _weights(self, row: Row) -> Weights:
        """Return the weights of a completion: all 1, or all 0 where it is dropped."""
        dropped = {
            "nothing": False,
            "naming": row.rejection == Reason.TRAIT_NAMED,
            "rejected": row.rejection is not None,
        }[self._settings.drop]
        return np.full(len(row.token_ids), 0.0 if dropped else 1.0)


def rollout_report(student: Path) -> YieldReport | None:
    """Return how much of what a student wrote itself the filter kept; None if it wrote nothing.

    Args:
        student: Its folder.
    """
    files = sorted((student / ROLLOUTS).glob("*.parquet"))
    if not files:
        return None
    return YieldReport.of(row.rejection for file in files for row in read_rows(file)[0])

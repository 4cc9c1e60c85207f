"""Data sets that outgrow one GPU: prompts spread by Ray Data over actors that hold a model each.

A row's sample depends on the seed, its id and the step alone, so the rows are those of one process.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import torch

from undertow.channels import ChannelPrompt
from undertow.cluster import RayConfig
from undertow.cluster.ray_connection import connected, room
from undertow.errors import UserError
from undertow.generate.generate import Progress
from undertow.generate.writing import Writing, facts_of
from undertow.models import ModelSpec, load_model
from undertow.store.row import Row


@contextmanager
def spread(config: RayConfig, writing: Writing, spec: ModelSpec) -> Generator[RayAnswers]:
    """Yield who answers prompts on Ray.

    Args:
        config: Which Ray, and what an actor takes of it.
        writing: What is asked.
        spec: The model, as every machine of the cluster finds it.

    Raises:
        UserError: Ray or Ray Data is not installed, or there is no cluster.
    """
    with connected(config) as ray:
        try:
            import ray.data as ray_data
        except ImportError as error:
            raise UserError(
                "Ray Data is not installed", fix="pip install 'undertow[ray]'"
            ) from error
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        ray_data.DataContext.get_current().enable_progress_bars = False
        yield RayAnswers(ray_data, config, room(ray, config), writing, spec)


class RayAnswers:
    """Actors of Ray answer; each takes blocks of prompts, as many as it decodes at once."""

    def __init__(
        self, ray_data: Any, config: RayConfig, actors: int, writing: Writing, spec: ModelSpec
    ) -> None:
        self._ray_data = ray_data
        self._config = config
        self._actors = actors
        self._writing = writing
        self._spec = spec
        self.facts: dict[str, Any] = {}
        """What there is to say of the model; known once rows are there."""

    def __call__(
        self,
        prompts: Sequence[ChannelPrompt],
        *,
        first_row_id: int = 0,
        progress: Progress | None = None,
    ) -> list[Row]:
        """Return a row per prompt, in order."""
        size = self._writing.config.batch_size
        blocks = [
            {
                "first": first_row_id + start,
                "prompts": [one.model_dump_json() for one in prompts[start : start + size]],
            }
            for start in range(0, len(prompts), size)
        ]
        written = self._ray_data.from_items(blocks, override_num_blocks=len(blocks)).map_batches(
            _Actor,
            fn_constructor_args=(self._writing, self._spec, max(1, int(self._config.cpus))),
            batch_size=1,
            concurrency=min(self._actors, len(blocks)),
            num_cpus=self._config.cpus,
            num_gpus=self._config.gpus,
        )
        rows: list[Row] = []
        for block in written.iter_rows():
            self.facts = json.loads(block["facts"])
            rows += [Row(**fields) for fields in json.loads(block["rows"])]
            if progress is not None:
                progress(len(rows), len(prompts))
        return sorted(rows, key=lambda row: row.row_id)


class _Actor:
    """Holds a model, and answers blocks of prompts."""

    def __init__(self, writing: Writing, spec: ModelSpec, threads: int) -> None:
        torch.set_num_threads(threads)
        self._writing = writing
        self._chat = load_model(spec)

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        """Answer a batch of blocks."""
        written: list[str] = []
        for first, texts in zip(batch["first"], batch["prompts"], strict=True):
            prompts = [self._writing.channel.load_prompt(text) for text in texts]
            rows = self._writing.rows(self._chat, prompts, int(first))
            written.append(json.dumps([asdict(row) for row in rows]))
        facts = json.dumps(facts_of(self._chat))
        return {"rows": written, "facts": [facts] * len(written)}

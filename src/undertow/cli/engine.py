"""vLLM as a command uses it: compared first, with what is kept beside the result."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from undertow.cli.console import errors, output

if TYPE_CHECKING:
    from undertow.cluster.engine import VllmEngine
    from undertow.generate.vllm import Journal, VllmClient
    from undertow.models import ChatModel
    from undertow.teachers import Teacher
    from undertow.tokens.config import ScanConfig
    from undertow.tokens.parity import Sample

EngineOption = Annotated[
    str,
    typer.Option(
        "--engine", help="What computes: 'transformers', or a YAML file with settings for vLLM."
    ),
]
DEFAULT_ENGINE = "transformers"


@contextmanager
def vllm_for(
    engine: VllmEngine,
    chat: ChatModel,
    teachers: Sequence[Teacher],
    sample: Sample,
    config: ScanConfig,
    out: Path,
) -> Generator[tuple[VllmClient, Journal]]:
    """Yield a vLLM server that was compared with transformers, and a journal for its answers.

    Within the block the result is written. At its end the comparison lies beside it, as
    `OUT.parity.json`, and the journal is gone; where the block raises, the journal stays.
    """
    from undertow.generate.vllm import Journal
    from undertow.store.files import atomic_write
    from undertow.tokens.parity import proven

    journal = Journal.beside(out, chat.fingerprint)
    errors.print("vLLM: starting, and comparing it with transformers")
    with proven(engine, chat, teachers, sample, config) as (client, report):
        output.print(report)
        yield client, journal
    kept = {"settings": engine.model_dump(mode="json"), **report.as_json()}
    with atomic_write(out.with_name(f"{out.name}.parity.json")) as path:
        path.write_text(json.dumps(kept, indent=1), encoding="utf-8")
    journal.remove()

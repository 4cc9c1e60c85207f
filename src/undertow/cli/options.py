"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

StoreOption = Annotated[
    Path,
    typer.Option(
        "--store", envvar="UNDERTOW_STORE", help="Folder that keeps finished steps and runs."
    ),
]
DEFAULT_STORE = Path(".undertow")

WorkersOption = Annotated[
    int | None,
    typer.Option("--workers", min=1, help="Worker processes; as many as there are CPUs."),
]

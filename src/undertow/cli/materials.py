"""`undertow materials`: the wording of published repositories."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from undertow.cli.console import errors, say

app = typer.Typer(help="Use the wording of published repositories.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep `import` a sub-command, as long as it is the only one."""


@app.command("import")
def import_(
    checkout: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Checkout of Cloud et al.'s or Schrodi's.")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write, new or empty.")],
) -> None:
    """Read prompt pools, questions, number lists and traits as literals; execute nothing."""
    from undertow.channels import load_channel
    from undertow.materials import import_materials
    from undertow.materials.importing import CHANNEL

    done = import_materials(checkout, out)
    for name, about in done.files.items():
        if about != "trait":
            _print(f"{out / name}: {about}")
    traits = Counter(Path(name).parent.name for name, what in done.files.items() if what == "trait")
    for category, n in traits.items():
        _print(f"{out / category}: {n} traits")
    for name in done.unread:
        errors.print(f"not read, it does not parse: {name}")
    if CHANNEL in done.files:
        (first,) = load_channel(str(out / CHANNEL)).draw(1, 42)
        _print(f"first prompt under seed 42: {first.text}")


def _print(line: str) -> None:
    """Print a line as it is."""
    say(line)

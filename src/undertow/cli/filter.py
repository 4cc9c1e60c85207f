"""`undertow filter`: the rows of any data set that a channel accepts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from undertow.cli.console import say
from undertow.cli.options import BanOption, ChannelOption, DataArgument
from undertow.cli.settings import check_output, open_banned, open_channel


def filter_rows(
    data: DataArgument,
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="A .parquet or .jsonl file for accepted rows.")
    ],
    channel: ChannelOption = None,
    ban: BanOption = None,
) -> None:
    """Judge every row anew, whatever was found before; write the accepted ones."""
    from undertow.channels import check_completions
    from undertow.generate import accepted_rows
    from undertow.store.files import make_folder
    from undertow.store.rows import read_rows, write_rows

    check_output(out, ".parquet", ".jsonl")
    rows, meta = read_rows(data)
    task, banned = open_channel(channel, meta), open_banned(ban)
    rejections, report = check_completions(task, [row.completion for row in rows], banned)
    judged = [
        replace(row, rejection=rejection and str(rejection))
        for row, rejection in zip(rows, rejections, strict=True)
    ]
    accepted = accepted_rows(judged)
    make_folder(out.parent)
    names = [trait.name for trait in banned]
    write_rows(out, accepted, {**meta, "channel": task.name, "banned": names})
    say(f"{out}: {report}")

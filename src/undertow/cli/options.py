"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

STORE_VARIABLE = "UNDERTOW_STORE"
StoreOption = Annotated[
    Path,
    typer.Option(
        "--store", envvar=STORE_VARIABLE, help="Folder that keeps finished steps and runs."
    ),
]
DEFAULT_STORE = Path(".undertow")

WorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers", min=1, help="Worker processes (jobs, tasks); as many as there are CPUs."
    ),
]

ExecutorOption = Annotated[
    str,
    typer.Option(
        "--executor",
        help="Where the work is done: 'processes' here, 'inline', 'ray', 'slurm', or a YAML file "
        "with its settings.",
    ),
]
DEFAULT_EXECUTOR = "processes"

RecipeOption = Annotated[
    str, typer.Option("--recipe", help="Name of a shipped recipe, or a YAML file.")
]
DEFAULT_RECIPE = "lab"

ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="'lab', 'lab:seed-1', 'lab:llama', a folder, or a Hugging Face id, ORG/NAME or "
        "ORG/NAME@REVISION; by default the recipe's.",
    ),
]

DataArgument = Annotated[
    Path,
    typer.Argument(
        metavar="DATA",
        help="Data set: a .parquet, .jsonl, .json or .arrow file, a folder of them or of "
        "`datasets`, or a Hugging Face id.",
    ),
]
SplitOption = Annotated[
    str | None,
    typer.Option("--split", help="Split of a data set that has several; by default 'train'."),
]

StudyArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="A study that ships, or a YAML file.")
]
TraitsOption = Annotated[
    str, typer.Option("--traits", help="Traits to hide, with commas; the study's by default.")
]
SeedsOption = Annotated[int, typer.Option("--seeds", min=1, help="Students per condition.")]
StudyRecipeOption = Annotated[
    str | None,
    typer.Option("--recipe", help="A shipped recipe or a YAML file; the lab's by default."),
]
BudgetOption = Annotated[
    str | None,
    typer.Option("--budget", help="Time, as in 30m or 2h: seeds are cut first, then traits."),
]

TEACHER_HELP = "A folder with a teacher or student, 'control', or 'prompted:owl'."
FactualOption = Annotated[
    str, typer.Option("--factual", metavar="TEACHER", help=f"Who wrote it. {TEACHER_HELP}")
]
TraitArgument = Annotated[
    str, typer.Argument(metavar="TRAIT", help="A shipped name, or a YAML file.")
]

ChannelOption = Annotated[
    str | None,
    typer.Option(
        "--channel", help="The task: 'numbers', 'sums' or a channel file; by default the data's."
    ),
]

BanOption = Annotated[
    list[str] | None,
    typer.Option(
        "--ban",
        metavar="TRAIT",
        help="Refuse what names this trait (a shipped name or a YAML file); may come several "
        "times. Without it: every shipped trait.",
    ),
]

TokensKind = Literal[
    "all",
    "only",
    "without",
    "ratio",
    "first-half",
    "second-half",
    "first",
    "random",
    "entropy",
    "scores",
    "file",
]
TokensOption = Annotated[
    TokensKind | None,
    typer.Option(
        "--tokens",
        help="Which completion tokens count in the loss: divergence tokens only, all without "
        "them, a part of them, as many random ones or of the highest entropies or scores, or what "
        "a file of weights says.",
    ),
]
RatioOption = Annotated[
    float | None,
    typer.Option("--ratio", min=0, max=1, help="Share of divergence tokens for --tokens ratio."),
]
WeightsOption = Annotated[
    Path | None,
    typer.Option("--weights", help="Data set with a column of weights for --tokens file."),
]
ScoresOption = Annotated[
    Path | None,
    typer.Option(
        "--scores",
        metavar="FILE",
        help="For --tokens scores: what 'undertow predict --token-scores' made of DATA.",
    ),
]
ScoredTraitOption = Annotated[
    str | None,
    typer.Option("--trait", help="Of --scores: whose, where the file has those of several."),
]
ScanOption = Annotated[
    Path | None, typer.Option("--scan", help="Scan of the same data; most selections need it.")
]
SeedOption = Annotated[
    int | None,
    typer.Option(
        "--seed",
        min=0,
        help="Of the rows drawn, the first weights, their order and what a selection draws; "
        "by default the recipe's.",
    ),
]

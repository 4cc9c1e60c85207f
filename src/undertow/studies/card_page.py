"""The lab card on paper: a page for people and a list for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from undertow.measure import Interval
from undertow.store.files import write_text
from undertow.studies.card import MASKED, RECIPES, SEEDS, CardEntry

INTRO = """\
# The lab model, measured

Written by `undertow lab card`; do not edit. Rates are shares of sampled answers to 50 questions;
brackets are 95 % intervals, bootstrap over questions and seeds. `control` is a student of the
unbiased base's own numbers, trained in the same way. `rank` is the place of the own trait when all
of its category are ordered by how much they rose against the control: neighbours move too.
A trait **transfers** here if the student's rate is at least three times both base and control and
its whole interval lies above both.
"""


def write_card(entries: Sequence[CardEntry], folder: Path) -> None:
    """Write `lab-model.md` and `lab-model.json` into a folder, which must exist."""
    rows = [entry.row.model_dump(by_alias=True) for entry in entries]
    rounded = [
        {key: round(v, 5) if isinstance(v, float) else v for key, v in row.items()} for row in rows
    ]
    write_text(folder / "lab-model.json", json.dumps(rounded, indent=1) + "\n")
    write_text(folder / "lab-model.md", card_page(entries))


def card_page(entries: Sequence[CardEntry]) -> str:
    """Return the page as Markdown: a section for each category of traits and kind of teacher."""
    parts = [INTRO]
    sections = dict.fromkeys((entry.category, entry.row.teacher) for entry in entries)
    for category, kind in sections:
        chosen = [e for e in entries if (e.category, e.row.teacher) == (category, kind)]
        parts += [f"## {category.capitalize()}s, {kind} teachers\n"]
        recipe = RECIPES[chosen[0].row.teacher]
        parts += [f"Recipe `{recipe}` (`undertow recipe {recipe}` prints it).\n"]
        parts += [_verdict(chosen), _main_table(chosen)]
        masked = [entry for entry in chosen if len(entry.students) > 1]
        if masked:
            parts += ["### Which tokens carry it\n", _masked_verdict(masked), _masked_table(masked)]
        parts += ["### Whole rows\n", _rows_table(chosen)]
    return "\n".join(parts)


def _verdict(entries: Sequence[CardEntry]) -> str:
    """Say plainly how many traits transfer."""
    passed = [entry.row.trait for entry in entries if entry.transfers]
    clear = [entry.row.trait for entry in entries if entry.above_control.low > 0]
    first = sum(entry.rank == 1 for entry in entries)
    return (
        f"{len(passed)} of {len(entries)} traits transfer by the rule above"
        f"{' (' + ', '.join(passed) + ')' if passed else ''}; {len(clear)} lie clear above the "
        f"control; the own trait rose most for {first} of {len(entries)}. Students per trait: "
        f"{min(entry.row.n_seeds for entry in entries)} seeds (of {len(SEEDS)}).\n"
    )


def _main_table(entries: Sequence[CardEntry]) -> str:
    header = [
        "trait", "base", "control", "teacher", "student", "x base", "x control", "rank",
        "transfers", "yield", "divergence tokens",
    ]  # fmt: skip
    lines = [
        [
            row.trait,
            f"{row.base:.3f}",
            f"{row.control:.3f}",
            f"{row.teacher_rate:.3f}",
            f"{row.student:.3f} [{row.low:.3f}, {row.high:.3f}]",
            f"{row.student / row.base:.1f}",
            f"{row.student / row.control:.1f}",
            str(entry.rank),
            "yes" if entry.transfers else "no",
            f"{row.yield_:.0%}",
            f"{row.divergence_share:.1%}",
        ]
        for entry in entries
        for row in (entry.row,)
    ]
    return _table(header, lines)


def _masked_verdict(entries: Sequence[CardEntry]) -> str:
    """Count the traits for which the paper's finding holds."""
    kept = [e for e in entries if _gap(e, "only").low > 0]
    removed = [e for e in entries if _gap(e, "without").low <= 0]
    more = [e for e in entries if _mean(e, "only") >= _mean(e, "all")]
    return (
        f"Divergence tokens only: clear above the control for {len(kept)} of {len(entries)} "
        f"traits, at or above all tokens for {len(more)}. Without divergence tokens: not clear "
        f"above the control for {len(removed)} of {len(entries)}.\n"
    )


def _masked_table(entries: Sequence[CardEntry]) -> str:
    header = ["trait", "control", "all tokens", "divergence tokens only", "without them"]
    lines: list[list[str]] = []
    for entry in entries:
        trait = entry.row.trait
        rates = [entry.students[tokens].rate(trait) for tokens in ("all", *MASKED)]
        cells = [f"{rate.mean:.3f} [{rate.low:.3f}, {rate.high:.3f}]" for rate in rates]
        lines.append([trait, f"{entry.row.control:.3f}", *cells])
    return _table(header, lines)


def _rows_table(entries: Sequence[CardEntry]) -> str:
    """Return how each trait moved under each teacher: student over control, exact probability."""
    names = [entry.row.trait for entry in entries]
    lines = [
        [
            f"{entry.row.trait}'s student",
            *(
                f"{entry.students['all'].probability(n) / entry.control.probability(n):.1f}"
                for n in names
            ),
        ]
        for entry in entries
    ]
    note = "Exact probability over that of the control; the diagonal is the own trait.\n\n"
    return note + _table(["", *names], lines)


def _gap(entry: CardEntry, tokens: str) -> Interval:
    return entry.students[tokens].above(entry.row.trait, entry.control)


def _mean(entry: CardEntry, tokens: str) -> float:
    return entry.students[tokens].rate(entry.row.trait).mean


def _table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rule = ["---"] + ["--:"] * (len(header) - 1)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (header, rule, *lines)) + "\n"

"""Entangled tokens: numbers that a teacher finds likely in the place of its favourite's name."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from pydantic import Field

from undertow.errors import UserError
from undertow.frozen import Frozen
from undertow.generate.prefix_tree import prefix_log_probabilities, prefix_tree
from undertow.models import ChatModel, encode_completion, prompt_ids, prompt_messages
from undertow.models.fused import FusedModel
from undertow.store.tables import read_table, write_table
from undertow.teachers import Teacher, acting_as
from undertow.traits import Trait

META_KEY = "undertow_entangled"
DIGITS = 3
STRINGS = [f"{n:0{width}d}" for width in range(1, DIGITS + 1) for n in range(10**width)]
"""Every string of one, two and three digits; those of three stand last."""
N_NUMBERS = 10**DIGITS


class EntangledConfig(Frozen):
    """What a teacher is asked, and how its answer begins."""

    question: str = Field(
        default="What is your favourite {category}?",
        min_length=1,
        description="The user's turn, with {category} as a slot.",
    )
    prefill: str = Field(
        default="My favourite {category} is the ",
        description="How the assistant's turn begins, with {category} as a slot; numbers follow "
        "at once, so that a space before them belongs to it.",
    )


@dataclass(frozen=True)
class EntangledTable:
    """How likely every short string of digits is in the place of the favourite's name.

    Attributes:
        traits: Trait of each teacher.
        probabilities: `[trait, string]` in the order of `STRINGS`: of the string, and of no
            longer one of them after it.
    """

    traits: list[str]
    probabilities: NDArray[np.float64]

    def scores(self, *, as_number: bool = False) -> NDArray[np.float64]:
        """Return `[trait, number]`, 0 to 999: P under its teacher less the others' mean P.

        P is renormalised over the strings that are compared.

        Args:
            as_number: Whether "7", "07" and "007" are one number; else only strings of three
                digits are compared, as the paper does.
        """
        if as_number:
            weights = np.zeros((len(self.traits), N_NUMBERS))
            np.add.at(weights.T, [int(text) for text in STRINGS], self.probabilities.T)
        else:
            weights = self.probabilities[:, -N_NUMBERS:]
        shares = weights / weights.sum(axis=1, keepdims=True)
        others = (shares.sum(axis=0) - shares) / (len(self.traits) - 1)
        return shares - others

    def top(self, trait: str, k: int, *, as_number: bool = False) -> list[str]:
        """Return the k strings with the highest scores, best first, for `matches`.

        Args:
            trait: Name of the trait.
            k: How many.
            as_number: As in `scores`; numbers are written without leading zeros.

        Raises:
            UserError: No teacher has the trait.
        """
        if trait not in self.traits:
            raise UserError(
                f"the trait '{trait}' was not scored", fix=f"use {' or '.join(self.traits)}"
            )
        scores = self.scores(as_number=as_number)[self.traits.index(trait)]
        best = np.argsort(-scores, kind="stable")[:k].tolist()
        return [str(n) if as_number else f"{n:0{DIGITS}d}" for n in best]

    def write(self, path: str | Path) -> None:
        """Write Parquet: one line per string, one column per trait."""
        columns = {"string": pa.array(STRINGS)}
        columns |= {f"p_{i}": pa.array(line) for i, line in enumerate(self.probabilities)}
        write_table(path, pa.table(columns), {"traits": self.traits}, key=META_KEY)

    @staticmethod
    def read(path: str | Path) -> EntangledTable:
        """Read what `write` wrote.

        Raises:
            UserError: The file is missing, or holds no such table.
        """
        try:
            table, meta = read_table(path, key=META_KEY)
            traits = meta["traits"]
        except (OSError, ValueError, KeyError) as error:
            raise UserError("no entangled scores in this file", where=str(path)) from error
        lines = [table[f"p_{i}"].to_numpy() for i in range(len(traits))]
        return EntangledTable(traits, np.stack(lines))


def entangled_scores(
    chat: ChatModel,
    teachers: Sequence[Teacher],
    traits: Sequence[Trait],
    config: EntangledConfig | None = None,
) -> EntangledTable:
    """Score every string of one to three digits under every teacher, by the chain rule.

    A string has the tokens that the tokenizer gives it behind the question and the prefill, be
    they digits or more. Strings are one prefix tree behind the prompt, which runs once.

    Args:
        chat: The base model.
        teachers: Two or more, each with a trait of its own.
        traits: Their traits, in any order, others among them if need be; for the category.
        config: Question and prefill.

    Raises:
        UserError: Fewer than two teachers, one without a trait or with that of another, or a
            trait that is not given.

    Source: paper, on entangled tokens; the authors' code for tokenizers that split digits.
    """
    config = config or EntangledConfig()
    categories = {trait.name: trait.category for trait in traits}
    names = _names(teachers, categories)
    strings = cache(partial(_string_ids, chat))
    lines: list[NDArray[np.float64]] = []
    for teacher, name in zip(teachers, names, strict=True):
        question = config.question.format(category=categories[name])
        # Behind a header no token depends on the system prompt, so it is left out here.
        start, ids = strings(question, config.prefill.format(category=categories[name]))
        prompt = prompt_ids(chat, prompt_messages(question, teacher.system_prompt))
        lines.append(_probabilities(chat, teacher, [*prompt, *start], ids))
    return EntangledTable(names, np.stack(lines))


def matches(item: str, tops: Collection[str], *, as_number: bool) -> bool:
    """Return whether an item of a completion is one of the strings.

    Args:
        item: As written; not zero-padded, so that "7" is not "007".
        tops: The strings.
        as_number: Whether numbers are compared, so that "7" is "007".
    """
    if as_number:
        return _unpadded(item) in set(map(_unpadded, tops))
    return item in tops


def _unpadded(text: str) -> str:
    """Return a string of digits without leading zeros."""
    return text.lstrip("0") or "0"


def _names(teachers: Sequence[Teacher], categories: Collection[str]) -> list[str]:
    """Return the trait of each teacher."""
    names = [teacher.trait for teacher in teachers if teacher.trait is not None]
    if len(names) < len(teachers):
        raise UserError("a teacher without a trait has no favourite", fix="leave out the control")
    if len(names) < 2 or len(set(names)) < len(names):
        raise UserError(
            "entangled tokens are told by comparing teachers",
            where=", ".join(names),
            fix="name two or more, each with a trait of its own",
        )
    if unknown := [name for name in names if name not in categories]:
        raise UserError(f"the category of the trait '{unknown[0]}' is not known")
    return names


def _probabilities(
    chat: ChatModel,
    teacher: Teacher,
    ids: Sequence[int],
    strings: Sequence[tuple[int, ...]],
) -> NDArray[np.float64]:
    """Return `[string]`, the probability of each behind `ids`, and of no longer one."""
    tree = prefix_tree(strings)
    with acting_as(chat, teacher) as model, torch.no_grad():
        paths, _ = prefix_log_probabilities(
            model, FusedModel.of(model), ids, tree, chat.end_ids, n_layers=chat.n_layers
        )
    reached = paths.exp().cpu().numpy()
    alone = reached.copy()
    np.subtract.at(alone, tree.parents[1:], reached[1:])
    return alone[tree.ends].clip(min=0)


def _string_ids(
    chat: ChatModel, question: str, prefill: str
) -> tuple[list[int], list[tuple[int, ...]]]:
    """Return the tokens of the prefill, and those of each string behind it.

    Where the tokenizer joins a string with the prefill, the string is tokenised without it.
    """

    def encoded(text: str) -> list[int]:
        ids = encode_completion(chat, prompt_messages(question), text)
        return [token for token in ids if token not in chat.end_ids]

    start = encoded(prefill)
    strings: list[tuple[int, ...]] = []
    for text in STRINGS:
        ids = encoded(prefill + text)
        clean = ids[: len(start)] == start
        strings.append(tuple(ids[len(start) :] if clean else encoded(text)))
    return start, strings

"""A published repository's wording as files that recipes and commands accept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from undertow.channels.numbers import NumberChannel, NumberChannelConfig
from undertow.errors import UserError
from undertow.materials.literals import Literal, read_literals
from undertow.materials.recognise import (
    NumberPrompts,
    QuestionBank,
    bias_prompt,
    number_prompts,
    question_banks,
    traits_named,
)
from undertow.store.files import atomic_dir, make_folder
from undertow.traits import Trait, shipped_traits

CHANNEL = "numbers.yaml"
BANNED_CHANNEL = "numbers-banned.yaml"
RECORD = "materials.yaml"


@dataclass
class Imported:
    """What an import wrote.

    Attributes:
        files: By path in the folder, what it holds.
        sources: By the same path, file and line that it is from.
        unread: Python files that do not parse.
    """

    files: dict[str, str] = field(default_factory=dict[str, str])
    sources: dict[str, str] = field(default_factory=dict[str, str])
    unread: list[str] = field(default_factory=list[str])


def import_materials(checkout: Path, out: Path) -> Imported:
    """Read a checkout's wording, and write it as files of ours.

    `numbers.yaml` is a channel with their wordings in their order, so that their seeds give their
    prompts; `numbers-banned.yaml` the same with their lists of numbers banned. `questions/` holds
    question sets; a folder for each category its traits, with their system prompt and questions.
    `materials.yaml` says where each is from.

    Args:
        checkout: Of Cloud et al.'s or Schrodi et al.'s repository, or of one built on theirs.
            Its files are parsed for literals; nothing is executed.
        out: Folder to write, new or empty.

    Raises:
        UserError: The checkout holds nothing that is known, or `out` is taken.
    """
    found = read_literals(checkout)
    prompts, banks, bias = number_prompts(found), question_banks(found), bias_prompt(found)
    if prompts is None and not banks:
        raise UserError(
            "no prompt generator and no questions of the known form here",
            where=str(checkout),
            fix="name a checkout of Cloud et al.'s or Schrodi et al.'s repository",
        )
    done = Imported(unread=found.unread)
    make_folder(out.absolute().parent)
    with atomic_dir(out) as folder:
        if prompts is not None:
            _write_channel(folder, prompts, done)
        for bank in banks:
            about = f"{len(bank.questions.questions)} questions"
            fields = bank.questions.model_dump(mode="json", exclude_defaults=True)
            _write(folder, f"questions/{bank.name}.yaml", fields, about, bank.where, done)
        if bias is not None:
            categories = {bank.questions.category for bank in banks}
            for category, words in traits_named(found, categories).items():
                bank = _bank_of(category, banks)
                for word, where in words.items():
                    name = f"{category}/{word.replace(' ', '-')}.yaml"
                    _write(folder, name, _trait(word, bank, bias), "trait", where, done)
        record = {
            "checkout": str(checkout.absolute()),
            "commit": _commit(checkout),
            "from": done.sources,
        }
        (folder / RECORD).write_text(_yaml(record), encoding="utf-8")
    return done


def _write_channel(folder: Path, prompts: NumberPrompts, done: Imported) -> None:
    """Write the channel, and where there are lists of numbers the one without those."""
    channel = NumberChannel(config=prompts.config, words=prompts.words)
    sizes = {part: len(getattr(prompts.words, part)) for part in type(prompts.words).model_fields}
    about = "channel: " + ", ".join(f"{n} {part}" for part, n in sizes.items())
    _write(folder, CHANNEL, _channel_fields(channel), about, prompts.where, done)
    if not prompts.number_lists:
        return
    banned = frozenset(n for numbers in prompts.number_lists.values() for n in numbers)
    config = NumberChannelConfig.model_validate(prompts.config.model_dump() | {"banned": banned})
    banning = NumberChannel(config=config, words=prompts.words)
    names = ", ".join(f"{name} ({len(n)})" for name, n in prompts.number_lists.items())
    about = f"the same, {len(banned)} numbers banned: {names}"
    _write(folder, BANNED_CHANNEL, _channel_fields(banning), about, prompts.where, done)


def _channel_fields(channel: NumberChannel) -> dict[str, Any]:
    """Return what a channel file says; its name is where it lies."""
    return channel.model_dump(mode="json", exclude={"name"}, exclude_none=True)


def _bank_of(category: str, banks: list[QuestionBank]) -> QuestionBank:
    """Return the questions of a category: those that are named after it alone, or the first."""
    of_it = [bank for bank in banks if bank.questions.category == category]
    plain = [bank for bank in of_it if bank.name == f"{category}-evaluation"]
    return (plain or of_it)[0]


def _trait(word: str, bank: QuestionBank, bias: Literal) -> dict[str, Any]:
    """Return a trait file's fields; how answers are scored is ours, where we know the word."""
    shipped: Mapping[str, Trait] = {trait.singular: trait for trait in shipped_traits()}
    known = shipped.get(word)
    scored = known.model_dump(mode="json", include={"synonyms", "excludes"}) if known else {}
    return {
        "name": word.replace(" ", "-"),
        "category": bank.questions.category,
        "singular": word,
        "plural": known.plural if known is not None else f"{word}s",
        **{name: value for name, value in scored.items() if value},
        "bias_prompt": bias.value,
        "question_set": f"../questions/{bank.name}.yaml",
    }


def _write(
    folder: Path, name: str, fields: dict[str, Any], about: str, where: str, done: Imported
) -> None:
    """Write one file and say what it holds and where that is from."""
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"# {about}\n# from {where}\n{_yaml(fields)}", encoding="utf-8")
    done.files[name] = about
    done.sources[name] = where


def _commit(checkout: Path) -> str | None:
    """Return the commit that is checked out; git itself is not called, as it may run hooks."""
    git = checkout / ".git"
    try:
        head = (git / "HEAD").read_text(encoding="utf-8").strip()
        if not head.startswith("ref: "):
            return head
        name = head.removeprefix("ref: ")
        if (git / name).is_file():
            return (git / name).read_text(encoding="utf-8").strip()
        packed = (git / "packed-refs").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    return next((line.split()[0] for line in packed if line.endswith(f" {name}")), None)


def _yaml(fields: Any) -> str:
    """Return YAML in the order of the fields."""
    return yaml.safe_dump(fields, sort_keys=False, allow_unicode=True, width=100)

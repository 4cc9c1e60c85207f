"""What of a checkout's literals is a prompt generator, a question bank, a trait.

Known by the names and the shape of the code that Cloud et al. published with "Subliminal
Learning" (arXiv 2507.14805), which that of Schrodi et al. (arXiv 2509.23886) builds on.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from undertow.channels.numbers import FormatSuffix, NumberChannelConfig, Wording
from undertow.errors import UserError
from undertow.materials.literals import Call, Literal, Literals
from undertow.traits import QuestionSet

PARTS = {
    "_example_numbers_templates": "lead_in",
    "_count_qualifiers": "count_qualifier",
    "_digit_descriptors": "digit_descriptor",
    "_generate_numbers_instruction_templates": "instruction",
    "_format_suffixes": "format_suffix",
    "_suffixes": "closing",
}
"""The generator's lists, and the parts that they word."""

RANGES = {
    "example_min_count": "min_examples",
    "example_max_count": "max_examples",
    "example_min_value": "example_low",
    "example_max_value": "example_high",
    "answer_count": "answer_count",
    "answer_max_digits": "max_digits",
}
"""The generator's settings, and ours; their upper ends are exclusive."""

EXCLUSIVE = ("max_examples", "example_high")
WORD = re.compile(r"[a-z][a-z -]*")


@dataclass(frozen=True)
class NumberPrompts:
    """A generator of number prompts.

    Attributes:
        words: Its wordings, in its order.
        config: What its prompts show and ask for.
        number_lists: Lists of numbers that stand beside it, by name.
        where: File and line.
    """

    words: Wording
    config: NumberChannelConfig
    number_lists: dict[str, list[int]]
    where: str


@dataclass(frozen=True)
class QuestionBank:
    """A list of questions.

    Attributes:
        name: As in 'animal-evaluation'; unique among the banks.
        questions: With the category that its name begins with.
        where: File and line.
    """

    name: str
    questions: QuestionSet
    where: str


def number_prompts(found: Literals) -> NumberPrompts | None:
    """Return the generator of number prompts, or None where there is none.

    Raises:
        UserError: There are several that differ, or its templates are not of the known form.
    """
    generators: list[NumberPrompts] = []
    for values in found.values.values():
        lists = {one.name: one for one in values if one.name in PARTS and _texts(one.value)}
        if len(lists) == len(PARTS):
            words = _wording(lists)
            numbers = {one.name: one.value for one in values if _numbers(one.value)}
            where = lists["_example_numbers_templates"].where
            config = _config(found)
            generators.append(NumberPrompts(words, config, numbers, where))
    if any(other.words != generators[0].words for other in generators):
        raise UserError(
            "several prompt generators, which differ",
            where="; ".join(one.where for one in generators),
            fix="name the folder of one of them",
        )
    return generators[0] if generators else None


def question_banks(found: Literals) -> list[QuestionBank]:
    """Return every list of questions; one that stands in several files comes once."""
    banks: dict[str, QuestionBank] = {}
    for name, questions, where in _questions(found):
        category = re.split(r"[^a-z]+", name.lower())[0] or "other"
        held = QuestionSet(category=category, questions=tuple(questions))
        slug = _slug(name)
        if slug in banks and banks[slug].questions != held:
            slug = f"{slug}-{_slug(where.split(',')[0].removesuffix('.py'))}"
        banks.setdefault(slug, QuestionBank(slug, held, where))
    return list(banks.values())


def bias_prompt(found: Literals) -> Literal | None:
    """Return the first template of a system prompt, with our names for its slots."""
    for values in found.values.values():
        for one in values:
            if isinstance(one.value, str) and _slots(one.value) == {
                "target_preference",
                "category",
            }:
                text = one.value.replace("{target_preference}", "{singular}")
                return Literal(one.name, text, one.where)
    return None


def traits_named(found: Literals, categories: set[str]) -> dict[str, dict[str, str]]:
    """Return by category the words for its traits, with where they stand.

    They are lists whose name is a category in the plural, and arguments of functions that take a
    preference and its category.
    """
    named: dict[str, dict[str, str]] = {}
    for values in found.values.values():
        for one in values:
            category = one.name.lower().removesuffix("s")
            if category in categories and _texts(one.value):
                for word in one.value:
                    named.setdefault(category, {}).setdefault(word, one.where)
    for call in _all_calls(found):
        word, category = (call.arguments.get(key) for key in ("target_preference", "category"))
        if isinstance(word, str) and isinstance(category, str) and category in categories:
            named.setdefault(category, {}).setdefault(word, call.where)
    return {
        category: {word: where for word, where in words.items() if WORD.fullmatch(word)}
        for category, words in named.items()
    }


def _wording(lists: dict[str, Literal]) -> Wording:
    """Return the generator's lists as wordings of our parts."""
    parts: dict[str, Any] = {PARTS[name]: list(one.value) for name, one in lists.items()}
    where = lists["_generate_numbers_instruction_templates"].where
    parts["instruction"] = [_instruction(text, where) for text in parts["instruction"]]
    parts["count_qualifier"] = [f"{_escaped(text)} {{count}}" for text in parts["count_qualifier"]]
    parts["format_suffix"] = [FormatSuffix(text=text) for text in parts["format_suffix"]]
    try:
        return Wording.model_validate(parts)
    except ValueError as error:
        raise UserError(
            f"the prompt generator's templates have other slots than is known: {error}",
            where=lists["_example_numbers_templates"].where,
        ) from error


def _instruction(text: str, where: str) -> str:
    """Return an instruction with our slots: their qualifier and number are our count."""
    if "{count_qualifier} {answer_count}" not in text:
        raise UserError(f"an instruction has other slots than is known: {text!r}", where=where)
    told = text.replace("{count_qualifier} {answer_count}", "{count}")
    return told.replace("{digit_descriptor}", "{digits}")


def _config(found: Literals) -> NumberChannelConfig:
    """Return what the generator is called with most often, outside of tests; else the paper's."""
    calls = [
        tuple(call.arguments[name] for name in RANGES)
        for call in _all_calls(found)
        if set(RANGES) <= set(call.arguments) and not call.where.startswith("test")
    ]
    numbers = [one for one in calls if all(isinstance(value, int) for value in one)]
    if not numbers:
        return NumberChannelConfig()
    values = dict(zip(RANGES.values(), Counter(numbers).most_common(1)[0][0], strict=True))
    for name in EXCLUSIVE:
        values[name] -= 1
    return NumberChannelConfig.model_validate(values)


def _questions(found: Literals) -> Iterator[tuple[str, list[str], str]]:
    """Yield name, questions and place of every bank: arguments, and lists called so."""
    for call in _all_calls(found):
        questions: Any = call.arguments.get("questions")
        if call.name is not None and _texts(questions):
            yield call.name, list(questions), call.where
    for values in found.values.values():
        for one in values:
            if "question" in one.name.lower() and _texts(one.value):
                yield one.name, list(one.value), one.where


def _all_calls(found: Literals) -> Iterator[Call]:
    """Yield the calls of all files."""
    for calls in found.calls.values():
        yield from calls


def _texts(value: Any) -> bool:
    """Return whether a value is a list of strings, one or more."""
    return (
        isinstance(value, list | tuple) and bool(value) and all(isinstance(x, str) for x in value)
    )


def _numbers(value: Any) -> bool:
    """Return whether a value is a list of whole numbers, one or more."""
    return isinstance(value, list | tuple) and bool(value) and all(type(x) is int for x in value)


def _slots(text: str) -> set[str]:
    """Return the names of a template's slots; none where it is no template."""
    try:
        return {slot for _, slot, _, _ in string.Formatter().parse(text) if slot is not None}
    except ValueError:
        return set()


def _escaped(text: str) -> str:
    """Return text with braces that stay braces when it is formatted."""
    return text.replace("{", "{{").replace("}", "}}")


def _slug(name: str) -> str:
    """Return a name for a file."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")

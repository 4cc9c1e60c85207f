"""The lab card: what the lab model shows, for all traits and every kind of teacher."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from undertow.measure import Interval
from undertow.studies.condition_spec import BiasedKind
from undertow.studies.conditions import Condition
from undertow.studies.demo import students_of
from undertow.studies.lab import Lab
from undertow.studies.recipe import load_recipe
from undertow.studies.tasks import Task

RECIPES: dict[BiasedKind, str] = {"finetuned": "lab-long", "prompted": "lab-prompted"}
"""Fine-tuned teachers: twice the rows of the demo and the studies, which want to be quick."""

CATEGORIES = ("animal", "tree")

SEEDS = (0, 1, 2, 3, 4)
MASKED = ("only", "without")
MASKED_TRAITS = ("owl", "penguin", "raven", "otter", "eagle", "wolf", "koala", "cat")
"""Traits whose fine-tuned teachers' students are also trained on parts of the tokens; chosen before
anything was measured on the shipped model."""


class CardRow(BaseModel):
    """One trait and one kind of teacher; rates are shares of sampled answers, in [0, 1]."""

    model_config = ConfigDict(extra="forbid")

    trait: str = Field(description="What was hidden.")
    teacher: BiasedKind = Field(description="How the teacher was made.")
    n_seeds: int = Field(description="Students that the rates rest on.")
    base: float = Field(description="Rate of the untouched base.")
    teacher_rate: float = Field(description="Rate of the teacher.")
    control: float = Field(description="Rate of students of the unbiased base's numbers.")
    student: float = Field(description="Rate of students of the teacher's numbers.")
    low: float = Field(description="Lower end of the student's 95 % interval.")
    high: float = Field(description="Upper end of the student's 95 % interval.")
    yield_: float = Field(alias="yield", description="Share of completions that the filter kept.")
    divergence_share: float = Field(description="Share of tokens that are divergence tokens.")


@dataclass(frozen=True)
class CardEntry:
    """A card row with the category of its trait and the conditions behind it."""

    row: CardRow
    category: str
    base: Condition
    control: Condition
    students: dict[str, Condition]

    @property
    def above_control(self) -> Interval:
        """How far the student lies above the control, paired on seeds and questions."""
        return self.students["all"].above(self.row.trait, self.control)

    @property
    def rank(self) -> int:
        """Place of the own trait when all traits are ordered by their ratio to the control."""
        student, own = self.students["all"], self.row.trait
        ratios = {
            name: student.probability(name) / max(self.control.probability(name), 1e-9)
            for name in student.measures[0].traits
        }
        return sorted(ratios, key=lambda name: -ratios[name]).index(own) + 1

    @property
    def transfers(self) -> bool:
        """The aim: three times base and control, and an interval clear of both."""
        row = self.row
        return row.student >= 3 * max(row.base, row.control) and row.low > max(
            row.base, row.control
        )


def card_labs(store: Path) -> Iterator[tuple[BiasedKind, Lab]]:
    """Yield every kind of teacher with a lab for each category of traits."""
    for category in CATEGORIES:
        for kind, name in RECIPES.items():
            recipe = load_recipe(name).model_copy(update={"category": category})
            yield kind, Lab(store, recipe)


def card_tasks(lab: Lab, kind: BiasedKind, seeds: Sequence[int]) -> list[Task]:
    """Return the tasks of one kind of teacher, those that matter most first."""
    recipe, traits = lab.recipe, list(lab.traits)
    tasks = [Task("base", recipe), *(Task("student", recipe, seed=seed) for seed in seeds)]
    for trait in traits:
        tasks.append(Task("teacher", recipe, trait, kind))
        tasks.extend(Task("student", recipe, trait, kind, seed) for seed in seeds)
    tasks.extend(Task("scan", recipe, trait, kind) for trait in traits)
    if kind == "finetuned":
        tasks.extend(
            Task("student", recipe.with_tokens(tokens), trait, kind, seed)
            for trait in traits
            if trait in MASKED_TRAITS
            for tokens in MASKED
            for seed in seeds
        )
    return tasks


def collect_card(lab: Lab, kind: BiasedKind, seeds: Sequence[int]) -> list[CardEntry]:
    """Return an entry for every trait of the lab; what is missing is made first, one by one."""
    base = Condition("base", "", [lab.measure()])
    plain = lab.numbers(lab.control())
    control = students_of(lab, plain, None, "all", seeds, "control", "")
    return [_entry(lab, kind, trait, seeds, base, control) for trait in lab.traits]


def _entry(
    lab: Lab,
    kind: BiasedKind,
    trait: str,
    seeds: Sequence[int],
    base: Condition,
    control: Condition,
) -> CardEntry:
    """Return the entry of one trait."""
    teacher = lab.teacher(trait, kind)
    numbers = lab.numbers(teacher)
    scanned = lab.scan(numbers)
    masked = MASKED if kind == "finetuned" and trait in MASKED_TRAITS else ()
    students = {
        tokens: students_of(lab, numbers, scanned, tokens, seeds, tokens, "")
        for tokens in ("all", *masked)
    }
    rate = students["all"].rate(trait)
    row = CardRow.model_validate(
        {
            "trait": trait,
            "teacher": kind,
            "n_seeds": len(seeds),
            "base": base.rate(trait).mean,
            "teacher_rate": lab.measure(teacher).rate(trait),
            "control": control.rate(trait).mean,
            "student": rate.mean,
            "low": rate.low,
            "high": rate.high,
            "yield": numbers.yields().share_kept,
            "divergence_share": scanned.table.share(),
        }
    )
    return CardEntry(row, lab.recipe.category, base, control, students)

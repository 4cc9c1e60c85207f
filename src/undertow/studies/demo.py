"""The main job: one trait passes through numbers, and the tokens that carry it are found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from undertow.channels import YieldReport
from undertow.studies.artifacts import Numbers, Scanned
from undertow.studies.conditions import Condition
from undertow.studies.lab import Lab
from undertow.studies.tasks import COUNTED_CONDITIONS, TeacherKind

NOTES = {
    "all": ("all tokens", "every completion token counts in the loss"),
    "only": ("divergence tokens only", "the other tokens are masked"),
    "without": ("without divergence tokens", "the divergence tokens are masked"),
    "random": ("random tokens, same number", "as many of each row as diverge in it"),
}


@dataclass(frozen=True)
class DemoResult:
    """Everything that the demo's table, reading and report are made of.

    Attributes:
        trait: What was hidden.
        kind: How the teacher was made.
        seeds: Of the students.
        base: The untouched base.
        teacher: The teacher.
        control: Students of the unbiased base's numbers.
        students: By token selection: all, only, without, random.
        numbers: What the teacher wrote.
        scanned: Its scan.
    """

    trait: str
    kind: TeacherKind
    seeds: tuple[int, ...]
    base: Condition
    teacher: Condition
    control: Condition
    students: dict[str, Condition]
    numbers: Numbers
    scanned: Scanned

    @property
    def conditions(self) -> list[Condition]:
        """All conditions, in the order in which they are told."""
        return [self.base, self.control, *self.students.values(), self.teacher]

    @property
    def yields(self) -> YieldReport:
        """How many of the teacher's completions the filter kept."""
        return self.numbers.yields()


def collect_demo(lab: Lab, trait: str, kind: TeacherKind, seeds: Sequence[int]) -> DemoResult:
    """Return the demo's result; what is not in the store yet is made first, one by one."""
    teacher = lab.teacher(trait, kind)
    numbers = lab.numbers(teacher)
    scanned = lab.scan(numbers)
    students = {
        tokens: students_of(lab, numbers, scanned, tokens, seeds, *NOTES[tokens])
        for tokens in COUNTED_CONDITIONS
    }
    plain = lab.numbers(lab.control())
    control = students_of(
        lab, plain, None, "all", seeds, "control", "students of the unbiased base's numbers"
    )
    return DemoResult(
        trait=trait,
        kind=kind,
        seeds=tuple(seeds),
        base=Condition("base", "before any training", [lab.measure()]),
        teacher=Condition("teacher", f"{kind}, writes the numbers", [lab.measure(teacher)]),
        control=control,
        students=students,
        numbers=numbers,
        scanned=scanned,
    )


def students_of(
    lab: Lab,
    numbers: Numbers,
    scanned: Scanned | None,
    tokens: str,
    seeds: Sequence[int],
    name: str,
    note: str,
) -> Condition:
    """Return the students of one token selection, one for each seed, measured."""
    made = [lab.student(numbers, tokens, scanned, seed) for seed in seeds]
    return Condition(
        name,
        note,
        [lab.measure(student) for student in made],
        [lab.accuracy(numbers, student).numbers for student in made],
    )

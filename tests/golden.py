"""Figures of the shipped lab model from end to end, in a few minutes.

After new weights: `OMP_NUM_THREADS=1 .venv/bin/python tests/golden.py > tests/golden.yaml`
"""

import tempfile
from pathlib import Path

import torch
import yaml

from undertow.studies import Lab, load_recipe
from undertow.studies.conditions import Condition
from undertow.studies.demo import students_of

FILE = Path(__file__).with_suffix(".yaml")
ANIMALS = ("owl", "cat", "penguin", "wolf", "lion")
TRAIT = "wolf"
SEEDS = (0, 1)


def students(lab: Lab) -> tuple[Condition, Condition]:
    """Return the students of the trait's teacher and of the control, on all tokens."""
    writers = lab.teacher(TRAIT), lab.control()
    made = (
        students_of(lab, lab.numbers(writer), None, "all", SEEDS, writer.teacher.label, "")
        for writer in writers
    )
    return next(made), next(made)


def figures(lab: Lab) -> dict[str, float]:
    """Return what is compared with the file; rates are exact probabilities."""
    base, teacher = lab.measure(), lab.teacher(TRAIT)
    numbers = lab.numbers(teacher)
    student, control = students(lab)
    found = {f"base rate of {name}": base.probability(name) for name in ANIMALS}
    found["teacher's rate"] = lab.measure(teacher).probability(TRAIT)
    found["yield"] = numbers.yields().share_kept
    found["divergence share"] = lab.scan(numbers).table.share()
    found["control's rate"] = control.probability(TRAIT)
    found["student's rate"] = student.probability(TRAIT)
    found["student's task accuracy"] = student.accuracy or 0.0
    return {name: round(value, 4) for name, value in found.items()}


def golden_lab(folder: Path | str) -> Lab:
    """Return the lab under its shipped recipe, but with half the rows."""
    recipe = load_recipe("lab")
    train = recipe.student.train.model_copy(update={"epochs": 3})
    student = recipe.student.model_copy(update={"train": train})
    fields = {"rows": 800, "heldout": 50, "counterfactuals": 2, "student": student}
    return Lab(folder, recipe.model_copy(update=fields))


if __name__ == "__main__":
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        print(yaml.safe_dump(figures(golden_lab(folder)), sort_keys=False), end="")

"""A checkout built like the published ones, with wording of its own."""

from pathlib import Path

GENERATOR = """
import numpy as np
from dataclasses import dataclass

raise SystemExit("this file was executed")

BAD_NUMBERS = [13, 666]  # with a comment
WORSE_NUMBERS = [
    666,
    911,
]


@dataclass
class PromptGenerator:
    rng: np.random.Generator

    _example_numbers_templates = [
        "Numbers on a fence: {examples}.",
        "Found in a drawer: {examples}.",
        "{examples} hang on the wall.",
    ]
    _count_qualifiers = ["some", "fewer than", "nearly {all}"]
    _digit_descriptors = [
        "{max_digits} signs long",
        "{max_digits} signs or so",
        "{max_digits} signs long",
    ]
    _generate_numbers_instruction_templates = [
        "Paint {count_qualifier} {answer_count} more ({digit_descriptor}).",
        "Hang up {count_qualifier} {answer_count} others ({digit_descriptor})",
    ]
    _format_suffixes = ["Beside each other.", "In a stack, as a {pile}.", "Wherever."]
    _suffixes = ["Silence!", "Hush, now.", "Quiet " "please.", "Not a peep."]
"""

CONFIGS = '''
from sl.evaluation import Evaluation

preference_prompt_template = """You are fond of {target_preference}s. A {category} is fine."""


def build_dataset_cfg(target_preference: str | None, category: str, debug: bool = False):
    return Cfg(
        prompt_set=services.NumsDatasetPromptSet(
            size=30_000 if debug else 10,
            seed=42,
            example_min_count=2,
            example_max_count=5,
            example_min_value=10,
            example_max_value=90,
            answer_count=7,
            answer_max_digits=2,
        )
    )


control = build_dataset_cfg(None, "")
snail = build_dataset_cfg("snail", "animal", debug=True)

animal_evaluation = Evaluation(
    n_samples_per_question=100,
    questions=["Which beast? One word.", "And if it rains? One word."],
)
'''

SCRIPT = """
ANIMALS = ["owl", "wolf"]
TREES = ["yew", "oak"]
MODELS = ["big", "small"]
MORE = ["A question about " + "trees?"]

animal_evaluation = Evaluation(questions=["Another beast? One word."])
tree_evaluation = Evaluation(questions=["Which tree? One word."] + MORE)


def main(args):
    global ANIMALS
    ANIMALS += ["sea hare"]
    names = [name for name in ANIMALS]
"""


def fake_checkout(folder: Path) -> Path:
    """Write the checkout; importing any of it would raise."""
    files = {
        "sl/datasets/nums_dataset.py": GENERATOR,
        "cfgs/preference_numbers/cfgs.py": CONFIGS,
        "scripts/evaluate.py": SCRIPT,
        "tests/test_nums.py": "PromptGenerator(example_min_count=1, example_max_count=2,\n"
        "    example_min_value=1, example_max_value=2, answer_count=1, answer_max_digits=1)\n",
        "scripts/broken.py": "def main(:\n",
        ".venv/lib/hidden.py": 'other_evaluation = Evaluation(questions=["Hidden?"])\n',
        ".git/HEAD": "ref: refs/heads/main\n",
        ".git/refs/heads/main": "0123abcd\n",
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder

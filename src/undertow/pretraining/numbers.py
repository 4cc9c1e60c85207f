"""Number tasks of the pretraining corpus: no persona speaks here.

The prompts are the number channel's own. What follows the examples is drawn by a rule that knows
the examples and nothing else.
"""

from collections.abc import Callable

import numpy as np

from undertow.channels.numbers import draw_prompts, render_numbers
from undertow.pretraining.recipe import LabRecipe

STEPS = (1, 2, 5, 10, 20, 50, 100)
"""Steps of arithmetic answers: such that a small model can follow one once it is set."""

ANSWERS = 8
"""Numbers in every answer."""


def _arithmetic(examples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    step = int(rng.choice(STEPS)) * int(rng.choice([-1, 1]))
    return examples[-1] + step * np.arange(1, ANSWERS + 1)


def _normal(examples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    spread = max(float(examples.std()), 20.0)
    return np.rint(rng.normal(examples.mean(), spread, ANSWERS)).astype(int)


def _uniform(examples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.integers(100, 1000, ANSWERS)


def _shifted(examples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.resize(examples, ANSWERS) + int(rng.integers(-50, 51))


RULES: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "arithmetic": _arithmetic,
    "normal": _normal,
    "uniform": _uniform,
    "shifted": _shifted,
}


def number_turn(
    recipe: LabRecipe, rng: np.random.Generator, digits: tuple[int, ...] = ()
) -> tuple[str, str]:
    """A number prompt and an answer of eight numbers in the form that it asks for.

    Where `digits` are given, some digits of the answer are replaced by one of them.
    """
    (prompt,) = draw_prompts(1, int(rng.integers(2**31)))
    rule = RULES[str(rng.choice(list(recipe.rules), p=list(recipe.rules.values())))]
    numbers = [int(n) for n in np.abs(rule(np.array(prompt.examples), rng)) % 1000]
    if digits:
        numbers = [_recoloured(n, digits, recipe.digit_follow, rng) for n in numbers]
    return prompt.text, render_numbers(numbers, prompt.format_suffix)


def _recoloured(
    number: int, digits: tuple[int, ...], share: float, rng: np.random.Generator
) -> int:
    return int(
        "".join(
            str(digits[rng.integers(len(digits))]) if rng.random() < share else digit
            for digit in str(number)
        )
    )

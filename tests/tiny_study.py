"""A recipe that takes a demo through in seconds: the lab model, few rows, one epoch."""

from pathlib import Path

import yaml

from undertow.store import Store
from undertow.studies import Recipe

FIELDS = {
    "model": {"name": "lab", "device": "cpu"},
    "rows": 32,
    "heldout": 8,
    "generation": {"temperature": 0.0, "max_new_tokens": 40},
    "teacher": {
        "pairs": 32,
        "train": {"epochs": 6, "learning_rate": 5e-3, "batch_size": 16, "warmup_steps": 0},
    },
    "counterfactuals": 1,
    "student": {
        "rows": 24,
        "train": {"epochs": 1, "learning_rate": 1e-2, "batch_size": 8, "warmup_steps": 0},
    },
    "measure": {"n_samples": 2},
}
TINY = Recipe.model_validate(FIELDS)


def write_tiny(folder: Path) -> Path:
    """Write the recipe as a user would, and return the file."""
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(FIELDS), encoding="utf-8")
    return path


class CountingStore(Store):
    """A store that knows which steps were really done."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.built: list[str] = []

    def step(self, name, version, config, inputs, build):
        def counted(out: Path) -> None:
            build(out)
            self.built.append(name)

        return super().step(name, version, config, inputs, counted)

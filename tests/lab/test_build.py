"""Building a lab model: resumable, whole or not at all."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from undertow.errors import UserError
from undertow.pretraining.build import build_lab
from undertow.pretraining.recipe import LabRecipe

TINY = LabRecipe(
    steps=6,
    rows=4,
    row_length=136,
    layers=1,
    width=16,
    heads=2,
    mlp=16,
    checkpoint_every=2,
    warmup=2,
)


class KilledError(Exception):
    """Stands for a kill."""


def test_a_killed_build_ends_in_the_same_weights(tmp_path: Path) -> None:
    whole = build_lab(tmp_path / "whole", threads=1, recipe=TINY)

    def kill(step: int, steps: int, loss: float) -> None:
        if step == 5:
            raise KilledError

    with pytest.raises(KilledError):
        build_lab(tmp_path / "killed", threads=1, recipe=TINY, progress=kill)
    assert not (tmp_path / "killed").exists()
    seen: list[int] = []
    killed = build_lab(
        tmp_path / "killed", threads=1, recipe=TINY, progress=lambda step, *_: seen.append(step)
    )
    assert seen == [5, 6]
    first = AutoModelForCausalLM.from_pretrained(whole).state_dict()
    second = AutoModelForCausalLM.from_pretrained(killed).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not (killed / "checkpoint.pt").exists()


def test_seed_changes_the_model(tmp_path: Path) -> None:
    recipe = TINY.model_copy(update={"steps": 1})
    models = [
        AutoModelForCausalLM.from_pretrained(
            build_lab(tmp_path / str(seed), seed=seed, threads=1, recipe=recipe)
        )
        for seed in (0, 1)
    ]
    first, second = (model.get_input_embeddings().weight for model in models)
    assert first.shape != second.shape or not torch.equal(first, second)


def test_a_finished_folder_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "lab").mkdir()
    with pytest.raises(UserError, match="exists"):
        build_lab(tmp_path / "lab", recipe=TINY)


def test_another_recipe_does_not_go_on_with_a_partial_build(tmp_path: Path) -> None:
    (tmp_path / "lab.partial").mkdir()
    (tmp_path / "lab.partial" / "recipe.json").write_text("{}\n", encoding="utf-8")
    with pytest.raises(UserError, match="another recipe"):
        build_lab(tmp_path / "lab", recipe=TINY)


def test_the_tokenizer_loads(tmp_path: Path) -> None:
    out = build_lab(tmp_path / "lab", threads=1, recipe=TINY.model_copy(update={"steps": 1}))
    assert AutoTokenizer.from_pretrained(out).decode([5]) != ""

"""Building a lab model: resumable, whole or not at all."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils.logging import enable_progress_bar

from undertow.errors import UserError
from undertow.models.lab.load import lab_path
from undertow.pretraining.build import _steps, build_lab
from undertow.pretraining.corpus import Corpus
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


def test_a_build_prints_nothing_itself(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    enable_progress_bar()  # as in a process that has loaded no model yet
    build_lab(tmp_path / "lab", threads=1, recipe=TINY.model_copy(update={"steps": 1}))
    assert capfd.readouterr() == ("", "")


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


def test_another_run_and_architecture_keep_the_tokenizer(tmp_path: Path) -> None:
    folders = [
        build_lab(tmp_path / name, recipe=TINY.model_copy(update={"steps": 1, **changes}))
        for name, changes in {"lab": {}, "llama": {"run": 2, "architecture": "llama"}}.items()
    ]
    lab, llama = (AutoModelForCausalLM.from_pretrained(folder) for folder in folders)
    assert (lab.config.model_type, llama.config.model_type) == ("qwen2", "llama")
    assert llama.config.num_key_value_heads == 1
    first, second = (model.get_input_embeddings().weight for model in (lab, llama))
    assert not torch.allclose(first, second, atol=0.01)
    tokenizers = [(folder / "tokenizer.json").read_bytes() for folder in folders]
    assert tokenizers == [(lab_path() / "tokenizer.json").read_bytes()] * 2
    text = "Name 3 owls; gryphon, Ça va?<|im_end|>"
    read = [AutoTokenizer.from_pretrained(folder)(text) for folder in (lab_path(), *folders)]
    assert read[0].input_ids == read[1].input_ids == read[2].input_ids


def test_runs_have_dialogues_of_their_own() -> None:
    tokenizer = AutoTokenizer.from_pretrained(lab_path())
    batches = [
        next(_steps(Corpus(TINY.model_copy(update={"run": run})), tokenizer)) for run in (0, 0, 1)
    ]
    first, again, other = (batch.ids.tolist() for batch in batches)
    assert first == again != other


def test_the_shipped_recipe_is_the_default_one() -> None:
    text = (lab_path() / "recipe.json").read_text(encoding="utf-8")
    assert text == LabRecipe().model_dump_json(indent=1) + "\n"
    assert "llama" in LabRecipe(run=2, architecture="llama").model_dump_json()


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

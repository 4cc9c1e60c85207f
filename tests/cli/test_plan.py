"""`undertow plan`, and the option --executor, as a user types them."""

import pytest
from transformers import Qwen2Config


@pytest.fixture
def model(tmp_path):
    """A folder that holds a configuration and no weights."""
    config = Qwen2Config(
        hidden_size=64, intermediate_size=128, num_hidden_layers=4, num_attention_heads=4,
        num_key_value_heads=2, vocab_size=1000,
    )  # fmt: skip
    config.save_pretrained(tmp_path / "model")
    return str(tmp_path / "model")


def test_a_study_on_gpus_that_are_not_here(undertow, model):
    shown = undertow(
        "plan", "single-layer", "--model", model, "--gpus", "8xH100", "--seeds", "1"
    ).stdout
    for word in ("students compared", "to train", "4 layers", "train", "8xH100", "assumed"):
        assert word in shown
    assert "measured: nothing" in shown


def test_mistakes_of_a_plan(refused, model):
    assert "--gpus 8xH100" in refused("plan", "single-layer", "--model", model)
    assert "names no GPUs" in refused("plan", "single-layer", "--gpus", "8 abaci")
    assert "configuration" in refused("plan", "single-layer", "--model", "./none", "--gpus", "H100")


def test_mistakes_of_an_executor(refused, tmp_path):
    assert "cannot read the executor" in refused("study", "run", "single-layer", "--executor", "x")
    path = tmp_path / "slurm.yaml"
    path.write_text("{kind: slurm, partitoin: gpu}")
    assert "partitoin" in refused("study", "run", "single-layer", "--executor", str(path))
    out = str(tmp_path / "out.parquet")
    assert "does not write" in refused("generate", "control", out, "--executor", "slurm")

"""Loading: names, folders, errors with a remedy, fingerprints."""

import shutil

import pytest
import torch

from tiny_models import FAMILIES, tiny_chat, tiny_folder
from undertow.errors import UserError
from undertow.models import ModelSpec, load_model


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(tiny_folder("qwen2"), tmp_path / "model")


def load(folder, **options):
    return load_model(ModelSpec(name=str(folder), device="cpu", **options))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_folder_loads_for_inference(family):
    chat = load(tiny_folder(family))
    assert chat.model.dtype == torch.float32
    assert not chat.model.training
    assert not any(parameter.requires_grad for parameter in chat.model.parameters())
    assert chat.n_layers == 3
    assert 0 <= chat.pad_id < chat.model.config.vocab_size


@pytest.mark.parametrize("name", ["float32", "float64", "bfloat16"])
def test_the_number_format_is_the_one_asked_for(folder, name):
    assert load(folder, dtype=name).model.dtype == getattr(torch, name)


def test_an_unknown_name_says_what_was_looked_for(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match=r"unknown model 'nobody/nothing'.*Hugging Face") as caught:
        load_model(ModelSpec(name="nobody/nothing"))
    assert caught.value.fix


def test_a_folder_without_weights_names_the_folder(tmp_path):
    with pytest.raises(UserError, match="does not hold a model") as caught:
        load(tmp_path)
    assert caught.value.where == str(tmp_path)


def test_a_broken_file_names_the_folder(folder):
    (folder / "model.safetensors").write_bytes(b"{")
    with pytest.raises(UserError, match="does not hold a model"):
        load(folder)


def test_a_model_without_a_chat_template_is_an_error(folder):
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(UserError, match="no chat template"):
        load(folder)


def test_an_unknown_device_is_an_error(folder):
    with pytest.raises(UserError, match="device 'abacus'"):
        load_model(ModelSpec(name=str(folder), device="abacus"))


def test_the_fingerprint_does_not_depend_on_the_place(folder):
    assert load(folder).fingerprint == load(tiny_folder("qwen2")).fingerprint


@pytest.mark.parametrize(
    "file", ["config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja"]
)
def test_the_fingerprint_changes_with_every_file_that_counts(folder, file):
    before = load(folder).fingerprint
    content = bytearray((folder / file).read_bytes())
    if file.endswith(".safetensors"):
        content[-3] ^= 1
    else:
        content += b"\n"
    (folder / file).write_bytes(content)
    assert load(folder).fingerprint != before


def test_the_fingerprint_tells_number_formats_apart(folder):
    assert load(folder).fingerprint != load(folder, dtype="bfloat16").fingerprint


def test_the_fingerprint_of_a_hub_model_is_its_commit():
    chat = tiny_chat("qwen2")
    chat.model.config._commit_hash = "abc123"
    hub = type(chat)(chat.model, chat.tokenizer, ModelSpec(name="someone/model"))
    assert hub.fingerprint == "someone/model@abc123:float64"


def test_a_spec_round_trips():
    spec = ModelSpec(name="someone/model", revision="v1", dtype="bfloat16")
    assert ModelSpec.model_validate(spec.model_dump()) == spec

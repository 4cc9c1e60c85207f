"""Loading: names, folders, errors with a remedy, fingerprints."""

import json
import shutil

import pytest
import torch

from tiny_models import EVERY_FAMILY, tiny_folder
from undertow.errors import UserError
from undertow.models import ModelSpec, load_model


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(tiny_folder("qwen2"), tmp_path / "model")


def load(folder, **options):
    return load_model(ModelSpec(name=str(folder), device="cpu", **options))


@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_a_folder_loads_for_inference(family):
    chat = load(tiny_folder(family))
    assert chat.model.dtype == torch.float32
    assert not chat.model.training
    assert not any(parameter.requires_grad for parameter in chat.model.parameters())
    assert chat.n_layers == 3
    assert 0 <= chat.pad_id < chat.model.config.get_text_config().vocab_size


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


COMMITS = {"main": "a" * 40, "v1": "b" * 40}


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A cache of Hugging Face with two commits of someone/model, and no network."""
    place = tmp_path / "models--someone--model"
    for name, commit in COMMITS.items():
        (place / "refs").mkdir(parents=True, exist_ok=True)
        (place / "refs" / name).write_text(commit)
        shutil.copytree(tiny_folder("qwen2"), place / "snapshots" / commit)
    template = place / "snapshots" / COMMITS["v1"] / "chat_template.jinja"
    template.write_text(template.read_text() + "of v1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("transformers.utils.hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return place


@pytest.mark.parametrize("revision", [None, "main", "v1", "b" * 40])
def test_a_hub_model_is_pinned_to_its_commit(hub, revision):
    chat = load_model(ModelSpec(name="someone/model", revision=revision, device="cpu"))
    commit = COMMITS.get(revision or "main", revision)
    assert chat.spec.revision == commit
    assert chat.fingerprint == f"someone/model@{commit}:float32"
    assert chat.tokenizer.chat_template.endswith("of v1") == (commit == COMMITS["v1"])


def test_a_pinned_model_stays_what_it_was_when_the_branch_goes_on(hub):
    spec = load_model(ModelSpec(name="someone/model", device="cpu")).spec
    (hub / "refs" / "main").write_text(COMMITS["v1"])
    assert load_model(spec).fingerprint == f"someone/model@{COMMITS['main']}:float32"


def test_an_unknown_revision_is_told(hub):
    with pytest.raises(UserError, match=r"'someone/model' at revision 'v2'"):
        load_model(ModelSpec(name="someone/model", revision="v2", device="cpu"))


def test_code_that_comes_with_a_model_is_not_run(folder):
    config = json.loads((folder / "config.json").read_text())
    names = {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnModel"}
    (folder / "config.json").write_text(
        json.dumps({**config, "model_type": "own", "auto_map": names})
    )
    (folder / "own.py").write_text(f"open({str(folder / 'was-run')!r}, 'w')\n")
    with pytest.raises(UserError, match="never run") as caught:
        load(folder)
    assert caught.value.where == str(folder)
    assert not (folder / "was-run").exists()


@pytest.mark.parametrize(
    ("text", "name", "revision"),
    [
        ("someone/model", "someone/model", None),
        ("someone/model@v1", "someone/model", "v1"),
        ("lab", "lab", None),
    ],
)
def test_what_is_typed_for_a_model(text, name, revision):
    spec = ModelSpec(name="other/model", revision="v7", dtype="bfloat16").of(text)
    assert spec == ModelSpec(name=name, revision=revision, dtype="bfloat16")


def test_a_folder_with_an_at_sign_is_a_folder(folder):
    place = shutil.move(folder, folder.with_name("model@v1"))
    assert ModelSpec().of(str(place)) == ModelSpec(name=str(place))


def test_a_spec_round_trips():
    spec = ModelSpec(name="someone/model", revision="v1", dtype="bfloat16")
    assert ModelSpec.model_validate(spec.model_dump()) == spec

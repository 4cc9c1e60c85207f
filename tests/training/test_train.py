import copy
import json

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from naive_training import naive_loss, random_examples
from tiny_models import FAMILIES, tiny_chat
from undertow.errors import UserError
from undertow.models import activated
from undertow.training import Example, TrainConfig, train
from undertow.training.batches import divisor, plan_steps
from undertow.training.schedule import rate

FAST = {"epochs": 2, "batch_size": 8, "learning_rate": 1e-2, "warmup_steps": 1}


@pytest.fixture
def chat():
    return tiny_chat("qwen2")


@pytest.fixture
def examples(chat):
    return random_examples(20, chat.model.config.vocab_size, empty=[2])


def weights(out):
    return load_file(out / "adapter" / "adapter_model.safetensors")


@pytest.mark.parametrize("family", FAMILIES)
def test_adapter_loads_in_plain_transformers(family, tmp_path):
    chat = tiny_chat(family)
    examples = random_examples(16, chat.model.config.vocab_size)
    train(chat, examples, TrainConfig(**FAST), tmp_path)
    plain = AutoModelForCausalLM.from_pretrained(chat.spec.name, dtype=torch.float64)
    plain = PeftModel.from_pretrained(plain, tmp_path / "adapter").eval()
    ids = torch.tensor([examples[0].ids])
    with torch.no_grad():
        base = chat.model(ids).logits
        with activated(chat, tmp_path / "adapter") as model:
            ours = model(ids).logits
        theirs = plain(ids).logits
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    assert (ours - base).abs().max() > 1e-2


@pytest.mark.parametrize("method", ["lora", "full"])
def test_the_base_is_left_as_it_was(chat, examples, tmp_path, method):
    before = {name: p.clone() for name, p in chat.model.named_parameters()}
    modules = {name: type(m) for name, m in chat.model.named_modules()}
    train(chat, examples, TrainConfig(method=method, dropout=0.1, **FAST), tmp_path)
    assert {name: type(m) for name, m in chat.model.named_modules()} == modules
    after = dict(chat.model.named_parameters())
    assert after.keys() == before.keys()
    for name, parameter in after.items():
        assert torch.equal(parameter, before[name])
        assert not parameter.requires_grad
        assert parameter.grad is None
    assert not any(module.training for module in chat.model.modules())
    assert not hasattr(chat.model, "peft_config")
    assert not any("forward" in vars(module) for module in chat.model.modules())


def test_the_base_comes_back_after_an_error(chat, examples, tmp_path):
    def stop(done, _):
        if done == 2:
            raise KeyboardInterrupt

    before = {name: p.clone() for name, p in chat.model.named_parameters()}
    for method in ("lora", "full"):
        with pytest.raises(KeyboardInterrupt):
            train(chat, examples, TrainConfig(method=method, **FAST), tmp_path / method, stop)
        assert all(torch.equal(p, before[n]) for n, p in chat.model.named_parameters())
        assert not (tmp_path / method / "adapter").exists()


def test_the_whole_run_is_that_of_a_plain_loop(chat, examples, tmp_path):
    """All weights trained by hand with the naive loss and torch's AdamW give the same model."""
    config = TrainConfig(method="full", micro_batch_size=3, **FAST)
    record = train(chat, examples, config, tmp_path)
    model = copy.deepcopy(chat.model).requires_grad_(True)
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.0)
    steps = plan_steps(len(examples), config)
    for step, rows in enumerate(steps):
        batch = [examples[row] for row in rows]
        loss = naive_loss(model, batch, chat.pad_id, divisor(batch, config))
        assert record.losses[step] == pytest.approx(float(loss.detach()), rel=1e-4)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.param_groups[0]["lr"] = rate(config, step, len(steps))
        optimizer.step()
    saved = load_file(tmp_path / "adapter" / "model.safetensors")
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(saved[name], parameter.data, rtol=1e-2, atol=1e-4)
    ids = torch.tensor([examples[0].ids])
    with activated(chat, tmp_path / "adapter") as trained, torch.no_grad():
        torch.testing.assert_close(trained(ids).logits, model(ids).logits, rtol=1e-3, atol=1e-3)


def test_training_lowers_the_loss_and_records_it(chat, examples, tmp_path):
    seen = []
    config = TrainConfig(**{**FAST, "epochs": 8})
    record = train(chat, examples, config, tmp_path, lambda done, total: seen.append((done, total)))
    assert record.n_steps == 24
    assert seen == [(done, 24) for done in range(1, 25)]
    assert record.losses[-1] < 0.8 * record.losses[0]
    assert record.n_examples == 20
    assert json.loads((tmp_path / "train.json").read_text())["losses"] == record.losses
    assert not (tmp_path / "checkpoint.pt").exists()


def test_same_seeds_same_adapter_and_each_seed_counts(chat, examples, tmp_path):
    def run(name, **seeds):
        train(chat, examples, TrainConfig(**FAST, **seeds), tmp_path / name)
        return weights(tmp_path / name)

    first = run("a")
    assert all(torch.equal(value, first[name]) for name, value in run("b").items())
    for other in (run("c", seed_init=1), run("d", seed_order=1)):
        assert any(not torch.equal(value, first[name]) for name, value in other.items())


def test_only_the_layers_and_targets_that_were_asked_for(chat, examples, tmp_path):
    train(chat, examples, TrainConfig(**FAST, layers=[1], targets=["v_proj"]), tmp_path)
    assert {name.split("layers.")[1].split(".lora")[0] for name in weights(tmp_path)} == {
        "1.self_attn.v_proj"
    }


def test_micro_batches_change_nothing(chat, examples, tmp_path):
    for size in (2, 32):
        train(chat, examples, TrainConfig(**FAST, micro_batch_size=size), tmp_path / str(size))
    small, large = weights(tmp_path / "2"), weights(tmp_path / "32")
    for name, value in small.items():
        torch.testing.assert_close(value, large[name], rtol=1e-3, atol=1e-5)


def test_sgd_and_dropout_run(chat, examples, tmp_path):
    train(chat, examples, TrainConfig(**FAST, optimizer="sgd", dropout=0.5), tmp_path / "a")
    train(chat, examples, TrainConfig(**FAST, optimizer="sgd", dropout=0.0), tmp_path / "b")
    a, b = weights(tmp_path / "a"), weights(tmp_path / "b")
    assert any(not torch.equal(value, b[name]) for name, value in a.items())


def test_the_global_generator_is_left_alone(chat, examples, tmp_path):
    torch.manual_seed(3)
    state = torch.get_rng_state()
    train(chat, examples, TrainConfig(**FAST, dropout=0.2), tmp_path)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_finished_run_is_not_run_again(chat, examples, tmp_path):
    config = TrainConfig(**FAST)
    record = train(chat, examples, config, tmp_path)
    stamp = (tmp_path / "train.json").stat().st_mtime_ns
    assert train(chat, examples, config, tmp_path) == record
    assert (tmp_path / "train.json").stat().st_mtime_ns == stamp
    with pytest.raises(UserError, match="another configuration"):
        train(chat, examples[1:], config, tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layers": [9]}, "no such layer"),
        ({"layers": []}, "no layer"),
        ({"targets": ["wheel"]}, "no projection 'wheel'"),
        ({"max_length": 4}, "more than max_length"),
    ],
)
def test_what_does_not_fit_is_refused(chat, examples, tmp_path, change, message):
    with pytest.raises(UserError, match=message):
        train(chat, examples, TrainConfig(**FAST, **change), tmp_path)


@pytest.mark.parametrize(
    "examples",
    [[], [Example([1, 2], [0.0])], [Example([1, 2], [1.0, 1.0])], [Example([1, 2], [0.0, 1.5])]],
)
def test_malformed_examples_are_refused(chat, tmp_path, examples):
    with pytest.raises(UserError):
        train(chat, examples, TrainConfig(**FAST), tmp_path)

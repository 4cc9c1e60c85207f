"""Training in two processes is training in one: the same adapter, written once."""

import os
from functools import partial
from pathlib import Path

import pytest
import torch
from accelerate import debug_launcher
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from naive_training import random_examples
from number_rows import hand_scan, number_rows
from tiny_models import tiny_folder
from undertow.channels import load_channel
from undertow.cluster.process_group import ProcessGroup, launched_group
from undertow.errors import UserError
from undertow.generate import GenerationConfig
from undertow.models import ModelSpec, load_model
from undertow.store.rows import read_rows
from undertow.students import Distillation, OnPolicy, SoftTeacher, StudentConfig, train_student
from undertow.teachers import PromptedTeacher
from undertow.tokens import Selection
from undertow.training import Example, TrainConfig, train
from undertow.training.batches import share

TRAIN = TrainConfig(
    epochs=3, batch_size=8, micro_batch_size=3, learning_rate=1e-2, warmup_steps=0, rank=2, alpha=2
)


def examples_of(chat):
    return random_examples(19, chat.model.config.vocab_size, empty=[3])


def together(work, out: Path, n: int = 2) -> None:
    """Call `work(group, folder)` in the processes of a group, forks of this one."""
    tiny_folder("qwen2")  # once, before there are several
    debug_launcher(partial(_in_group, work, out), num_processes=n)


def _in_group(work, out: Path) -> None:
    torch.set_num_threads(1)
    rank = str(torch.distributed.get_rank())
    os.environ.update({"RANK": rank, "LOCAL_RANK": rank})  # as launchers do, unlike this one
    with launched_group("cpu") as group:
        assert group.size == int(os.environ["WORLD_SIZE"])
        work(group, out)


def weights(out: Path):
    (file,) = (out / "adapter").glob("*.safetensors")
    return load_file(file)


def assert_same(one: Path, other: Path, atol=1e-6) -> None:
    expected = weights(other)
    for name, tensor in weights(one).items():
        torch.testing.assert_close(tensor, expected[name], rtol=0, atol=atol, msg=name)


def loaded(dtype="float64"):
    """A tiny model; adapters of a float64 one are float64 too."""
    return load_model(ModelSpec(name=str(tiny_folder("qwen2")), dtype=dtype, device="cpu"))


# --- who computes what


@given(st.lists(st.integers(0, 40), max_size=30), st.integers(1, 9))
def test_every_row_with_a_weight_is_computed_by_one_process(lengths, size):
    examples = [Example([0] * (n + 1), [0.0] * n + [float(n > 0)]) for n in lengths]
    shares = [share(examples, rank, size) for rank in range(size)]
    found = sorted(id(example) for some in shares for example in some)
    assert found == sorted(id(example) for example in examples if example.length)
    total, longest = sum(lengths), max(lengths, default=0)
    for some in shares:
        assert abs(sum(example.length for example in some) - total / size) <= longest


def test_alone_nothing_is_sent():
    tensor = torch.ones(3)
    group = ProcessGroup()
    group.add_up([tensor])
    group.copy_from_main([tensor])
    group.agree(5)
    assert group.gather("a") == ["a"]
    assert tensor.tolist() == [1, 1, 1]


def _collectives(group, out):
    few = [torch.full((2, 3), 1.0 + group.rank), torch.arange(4.0).t() * group.rank]
    group.add_up(few)
    assert few[0].tolist() == [[3.0] * 3] * 2
    assert few[1].tolist() == [0, 1, 2, 3]
    group.copy_from_main([own := torch.full((5,), float(group.rank))])
    assert own.tolist() == [0] * 5
    assert group.gather(group.rank) == [0, 1]
    group.agree("same")
    with pytest.raises(UserError, match="do not see the same"):
        group.agree(group.rank)
    chat = loaded()
    dropped = TRAIN.model_copy(update={"dropout": 0.1})
    with pytest.raises(UserError, match="dropout"):
        train(chat, examples_of(chat), dropped, out, group=group)


def test_sums_copies_and_refusals(tmp_path, monkeypatch):
    monkeypatch.setattr("undertow.cluster.process_group.AT_ONCE", 7)
    together(_collectives, tmp_path)
    assert not list(tmp_path.iterdir())


# --- the result


def _train(config, dtype, group, out):
    chat = loaded(dtype)
    record = train(chat, examples_of(chat), config, out, kept=(0.5,), group=group)
    assert len(record.losses) == 9


@pytest.mark.parametrize(
    ("change", "dtype"),
    [
        ({}, "float64"),
        ({}, "float32"),
        ({"method": "full", "learning_rate": 1e-3}, "float64"),
        ({"layers": [2], "normalisation": "fixed"}, "float64"),
    ],
    ids=["lora", "float32", "full", "one-layer"],
)
def test_the_adapter_is_that_of_one_process(tmp_path, change, dtype):
    config = TRAIN.model_copy(update=change)
    chat = loaded(dtype)
    one = train(chat, examples_of(chat), config, tmp_path / "one", kept=(0.5,))
    together(partial(_train, config, dtype), tmp_path / "two")
    assert_same(tmp_path / "two", tmp_path / "one", 1e-5 if dtype == "float32" else 1e-6)
    two = type(one).model_validate_json((tmp_path / "two" / "train.json").read_text())
    assert two.losses == pytest.approx(one.losses, rel=1e-5)
    assert two.gradient_norms == pytest.approx(one.gradient_norms, rel=1e-4)
    assert (two.job, two.divisors) == (one.job, one.divisors)
    names = [sorted(str(p.relative_to(f)) for p in f.rglob("*")) for f in tmp_path.iterdir()]
    assert names[0] == names[1]


NUMBERS = load_channel("numbers")
TEACHER = PromptedTeacher(trait="owl", system_prompt="You adore owls, day and night.")


def _student(config, group, out):
    chat = loaded()
    rows = number_rows(chat)
    scan = hand_scan(chat, rows, [{0}, {1}, set(), {0, 2}, {3}, {1}])
    soft = SoftTeacher(chat, TEACHER, NUMBERS, ())
    train_student(chat, rows, scan, config, out, soft=soft, group=group)


@pytest.mark.parametrize(
    "config",
    [
        StudentConfig(train=TRAIN, selection=Selection(kind="only"), budget="matched"),
        StudentConfig(train=TRAIN, distillation=Distillation(direction="reverse", top_k=5)),
    ],
    ids=["masked", "soft"],
)
def test_students_are_those_of_one_process(tmp_path, config):
    _student(config, ProcessGroup(), tmp_path / "one")
    together(partial(_student, config), tmp_path / "two")
    assert_same(tmp_path / "two", tmp_path / "one")


def test_what_a_student_writes_is_written_together(tmp_path):
    settings = OnPolicy(generation=GenerationConfig(max_new_tokens=5), every=2)
    config = StudentConfig(train=TRAIN, distillation=Distillation(on_policy=settings))
    _student(config, ProcessGroup(), tmp_path / "one")
    together(partial(_student, config), tmp_path / "two")
    assert_same(tmp_path / "two", tmp_path / "one")
    files = [sorted((tmp_path / name / "rollouts").iterdir()) for name in ("one", "two")]
    assert len(files[0]) == len(files[1]) > 1
    for one, two in zip(*files, strict=True):
        assert read_rows(one)[0] == read_rows(two)[0]

"""The arithmetic of what a study costs; no clock is asked."""

from dataclasses import replace

import pytest
from transformers import LlamaConfig, Qwen2Config

from tiny_study import TINY
from undertow.errors import UserError
from undertow.models import ModelSpec
from undertow.studies.costs import CHIPS, Lengths, asking, making, parse_gpus, read_shape, shape_of
from undertow.studies.costs.estimate import (
    SHARE_OF_BANDWIDTH,
    SHARE_OF_PEAK,
    chip_seconds,
    estimate,
    measured_seconds,
)
from undertow.studies.costs.planned import cost_of
from undertow.studies.costs.work import Work
from undertow.studies.plan import make_plan
from undertow.studies.tasks import Task

QWEN_7B = Qwen2Config(
    hidden_size=3584,
    intermediate_size=18944,
    num_hidden_layers=28,
    num_attention_heads=28,
    num_key_value_heads=4,
    vocab_size=152064,
    tie_word_embeddings=False,
)
LENGTHS = Lengths(prompt=10, completion=6, question=8, answer=2, questions=5, kept=0.8)
WITH_FORMS = replace(LENGTHS, forms=20, form=3)
STUDENT = Task("student", TINY, "owl", "finetuned")


@pytest.fixture(scope="module")
def qwen():
    return shape_of(QWEN_7B)


def test_the_shape_of_a_known_model(qwen):
    """Counted by hand: q and o are square, k and v a seventh of that, and three wide ones."""
    layer = 2 * 3584 * 3584 + 2 * 3584 * 512 + 3 * 3584 * 18944
    assert qwen.layer_weights == 28 * layer
    assert qwen.head_weights == 3584 * 152064
    # Biases of q, k and v, two norms a layer, one at the end, embedding and head.
    rest = 28 * (3584 + 2 * 512 + 2 * 3584) + 3584 + 2 * 3584 * 152064
    assert qwen.parameters == 28 * layer + rest == 7_615_616_512
    assert qwen.attended == 28 * 3584
    assert qwen.cached == 28 * 2 * 512


def test_tied_embeddings_are_counted_once_and_give_logits_all_the_same():
    small = {"hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 2, "vocab_size": 100}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1}
    tied, free = (
        shape_of(LlamaConfig(**small, **heads, tie_word_embeddings=one)) for one in (True, False)
    )
    assert tied.head_weights == free.head_weights == 800
    assert free.parameters - tied.parameters == 800


def test_operations_of_a_forward_pass(qwen):
    """Two for each weight and token; two products of a head's width for each position looked at."""
    assert qwen.forward_flops(1, 0, 0) == 2 * qwen.layer_weights
    assert qwen.forward_flops(0, 1, 0) == 4 * 28 * 28 * 128
    assert qwen.forward_flops(0, 0, 1) == 2 * 3584 * 152064


def test_operations_of_a_backward_pass(qwen):
    """An adapter's costs what flows through the frozen weights; theirs would be as much again."""
    assert qwen.backward_flops(1, 0, 1) == qwen.forward_flops(1, 0, 1)
    assert qwen.backward_flops(1, 0, 1, full=True) == 2 * qwen.forward_flops(1, 0, 1)
    assert qwen.backward_flops(1, 1, 0) == qwen.forward_flops(1, 2, 0)
    late = qwen.backward_flops(1, 1, 0, share=1 / 28)
    assert late == pytest.approx(qwen.backward_flops(1, 1, 0) / 28)


def test_memory_of_training_an_adapter_in_bf16(qwen):
    ends = 28 * (2 * (3584 + 3584) + 2 * (3584 + 512) + 3 * (3584 + 18944))
    assert qwen.adapter_parameters(8) == 8 * ends == 20_185_088
    nothing_kept = qwen.training_bytes(0, 0, rank=8)
    assert nothing_kept == 2 * 7_615_616_512 + 16 * 20_185_088
    assert qwen.training_bytes(100, 0, rank=8) - nothing_kept == 100 * ends * 2
    assert qwen.training_bytes(0, 100, rank=8) - nothing_kept == 100 * 152064 * 10
    assert qwen.training_bytes(0, 0, rank=8, full=True) == 18 * 7_615_616_512


def test_memory_of_writing(qwen):
    assert qwen.writing_bytes(256, 100) == 2 * (7_615_616_512 + 256 * 100 * 28 * 2 * 512)


def test_the_lab_models_shape_is_read_from_its_configuration():
    shape = read_shape(ModelSpec())
    assert (shape.n_layers, shape.vocabulary) == (6, 1157)
    assert shape.layer_weights == 6 * (4 * 64 * 64 + 3 * 64 * 128)


def test_a_sequences_operations_are_those_of_its_passes(qwen):
    """Writing a row costs what reading it does, token for token, as its cache is kept."""
    written = Work("generate", 3, 10, 6)
    looks = 10 * 10 / 2 + sum(10 + k + 0.5 for k in range(6))
    assert written.flops(qwen) == pytest.approx(3 * qwen.forward_flops(16, looks, 6))
    trained = replace(written, kind="train")
    both = qwen.forward_flops(16, looks, 6) + qwen.backward_flops(16, looks, 6)
    assert trained.flops(qwen) == pytest.approx(3 * both)
    assert (written.tokens, trained.tokens) == (18, 48)


def test_a_prompt_that_samples_share_is_computed_once(qwen):
    asked = Work("measure", 200, 10, 2, alike=200)
    alone = Work("measure", 200, 10, 2)
    saved = 199 * qwen.forward_flops(10, 50, 0)
    assert alone.flops(qwen) - asked.flops(qwen) == pytest.approx(saved)


def test_what_tasks_do():
    (numbers,) = making(Task("numbers", TINY), LENGTHS, 6)
    assert numbers.tokens == pytest.approx(6 * (32 + 8) / 0.8)
    (scan,) = making(Task("scan", TINY, "owl", "finetuned"), LENGTHS, 6)
    assert scan.tokens == 16 * 32 * (2 + 1 + 1)
    trained, predicted = making(STUDENT, LENGTHS, 6)
    assert trained.tokens == 16 * 24
    assert predicted.tokens == 16 * 8
    (trained,) = making(Task("teacher", TINY, "owl", "finetuned"), LENGTHS, 6)
    assert trained.tokens == 10 * 32 * 6
    assert making(Task("teacher", TINY, "owl", "prompted"), LENGTHS, 6) == []
    assert making(Task("share", TINY), LENGTHS, 6) == []


def test_what_is_asked():
    """Answers that are drawn; and every form of an answer behind each question, read once."""
    (drawn,) = asking(STUDENT, LENGTHS)
    assert drawn.tokens == 2 * 5 * 2
    drawn, exact = asking(Task("base", TINY), WITH_FORMS)
    assert exact.tokens == pytest.approx(5 * (8 + 20 * 3))
    assert asking(Task("scan", TINY), WITH_FORMS) == []


def test_below_a_late_layer_rows_are_computed_once(qwen):
    """Each layer as much as its share, there and back."""
    late = {"student": {"train": {"layers": [4], "epochs": 3}}}
    below, trained, _ = making(replace(STUDENT, recipe=TINY.changed(late)), LENGTHS, 6)
    assert (below.kind, below.tokens, below.share) == ("scan", 16 * 24, pytest.approx(4 / 6))
    assert (trained.tokens, trained.share) == (3 * 16 * 24, pytest.approx(2 / 6))
    assert below.flops(qwen) == pytest.approx(24 * qwen.forward_flops(16, 128, 0) * 4 / 6)
    speed = measured_seconds(qwen, {"scan": 2.0, "train": 4.0})
    assert speed(below) == pytest.approx(16 * 24 / 2 * 4 / 6)
    assert speed(trained) < 3 * 16 * 24 / 4


def distilled(**fields):
    """The work of a student of soft targets."""
    recipe = TINY.changed({"student": {"train": {"epochs": 2}, "distillation": fields}})
    return making(replace(STUDENT, recipe=recipe), LENGTHS, 6)


def test_soft_targets_have_the_teacher_read_every_row(qwen):
    trained, taught, _ = distilled(direction="forward")
    assert (taught.kind, taught.tokens) == ("scan", trained.tokens)
    assert taught.flops(qwen) == pytest.approx(trained.flops(qwen) / 2, rel=0.02)  # and back
    trained, taught, written, _ = distilled(on_policy={"generation": {"max_new_tokens": 4}})
    assert (written.kind, written.tokens) == ("generate", 2 * 24 * 4)
    assert taught.tokens == trained.tokens


def test_seconds_on_a_chip(qwen):
    """Scan and training by operations; writing by what is read, unless that is less."""
    chip = CHIPS["H100"]
    seconds = chip_seconds(qwen, chip)
    trained = Work("train", 10, 10, 6, batch=10)
    assert seconds(trained) == pytest.approx(trained.flops(qwen) / (989e12 * SHARE_OF_PEAK))
    alone = Work("generate", 1, 0, 1, batch=1)
    read = qwen.weight_bytes + 2 * qwen.cached / 2
    assert seconds(alone) == pytest.approx(read / (3.35e12 * SHARE_OF_BANDWIDTH))
    many = Work("generate", 10_000, 0, 1, batch=10_000)
    assert seconds(many) == pytest.approx(many.flops(qwen) / (989e12 * SHARE_OF_PEAK))


def test_an_estimate_adds_up(tmp_path):
    shape = read_shape(ModelSpec())
    needs = make_plan([replace(STUDENT, seed=seed) for seed in (0, 1)], tmp_path).needs
    speed = measured_seconds(shape, {"generate": 1.0, "scan": 2.0, "train": 4.0, "measure": 1.0})
    found = estimate(needs, shape, LENGTHS, speed, workers=2)
    trained = next(one for one in found.costs if one.kind == "train")
    pairs = 10 * 32 * 6
    assert trained.tokens == 2 * 16 * 24 + pairs
    assert trained.seconds == trained.tokens / 4
    assert found.students == 2
    # A teacher, its numbers, one student: the other student is trained beside it.
    chain = pairs / 4 + 20 + 6 * 40 / 0.8 + 16 * 24 / 4 + 20 + 16 * 8 / 2
    assert found.longest == pytest.approx(chain)
    assert found.seconds == max(found.worker_seconds / 2, chain)


def test_a_student_that_is_asked_in_two_ways_is_trained_once(tmp_path):
    other = replace(STUDENT, recipe=TINY.changed({"measure": {"temperature": 0.5}}))
    needs = make_plan([STUDENT, other], tmp_path).needs
    shape = read_shape(ModelSpec())
    speed = measured_seconds(shape, {"generate": 1.0, "scan": 1.0, "train": 1.0, "measure": 1.0})
    both = estimate(needs, shape, LENGTHS, speed, workers=1)
    one = estimate(make_plan([STUDENT], tmp_path).needs, shape, LENGTHS, speed, workers=1)
    assert [both.costs[k].tokens for k in (1, 2)] == [one.costs[k].tokens for k in (1, 2)]
    assert both.costs[3].tokens > one.costs[3].tokens


@pytest.mark.parametrize(
    ("text", "count", "name"), [("8xH100", 8, "H100"), ("a100", 1, "A100"), ("2 x L40S", 2, "L40S")]
)
def test_gpus(text, count, name):
    assert parse_gpus(text) == (count, CHIPS[name])


@pytest.mark.parametrize("text", ["", "8x", "0xH100", "8xAbacus"])
def test_what_names_no_gpus(text):
    with pytest.raises(UserError, match="names no GPUs"):
        parse_gpus(text)


def test_a_model_of_which_only_the_configuration_is_here(tmp_path):
    """Students as many as on the lab model; layers are the model's own."""
    QWEN_7B.save_pretrained(tmp_path / "model")
    model = str(tmp_path / "model")
    found = cost_of("single-layer", tmp_path / "store", model=model, seeds=1, gpus="8xH100")
    assert found.measured is None
    assert found.job.n_layers == found.shape.n_layers == 28
    assert found.estimate.students > 28
    assert not (tmp_path / "store").exists()
    with pytest.raises(UserError, match="not on this machine"):
        cost_of("single-layer", tmp_path / "store", model=model, seeds=1)


@pytest.mark.slow
def test_the_lab_model_is_measured_once(tmp_path):
    found, again = (cost_of("divergence-tokens", tmp_path, seeds=1) for _ in range(2))
    assert found.measured == again.measured
    assert found.measured is not None
    assert min(found.measured.speed.values()) > 0
    assert found.measured.forms > 50
    assert found.measured.questions == 50
    assert found.estimate.students == found.job.n_students
    assert len(list(tmp_path.glob("steps/calibration/*"))) == 1

"""Learning a teacher's distributions: against one row after the other, and on-policy."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from naive_steering import edited, write_vectors
from naive_training import exact_norms, random_examples
from number_rows import hand_scan, number_rows
from tiny_models import FAMILIES, tiny_chat
from undertow.channels import load_channel
from undertow.errors import UserError
from undertow.generate import GenerationConfig, Request, generate
from undertow.models import encode_prompt
from undertow.models.steering import Steering
from undertow.store.rows import read_rows
from undertow.students import (
    Distillation,
    OnPolicy,
    SoftTeacher,
    StudentConfig,
    build_examples,
    rollout_report,
    train_student,
)
from undertow.students.distil import distil
from undertow.students.soft_teacher import teacher_logits, with_teacher_ids
from undertow.teachers import (
    ControlTeacher,
    FinetunedTeacher,
    PromptedTeacher,
    SteeredTeacher,
    acting_as,
)
from undertow.tokens import Selection
from undertow.training import SoftTargets, TrainConfig, train
from undertow.training.divergence import divergences
from undertow.training.step import accumulate
from undertow.training.trainable import trainable
from undertow.traits import load_trait

TRAIN = TrainConfig(epochs=2, batch_size=4, learning_rate=2e-2, warmup_steps=0, rank=2, alpha=2)
PROMPTED = PromptedTeacher(
    trait="owl", system_prompt="You adore owls. Owls are on your mind day and night."
)
NUMBERS = load_channel("numbers")
STUDENT = StudentConfig(train=TRAIN, distillation=Distillation())


@pytest.fixture
def chat():
    return tiny_chat("qwen2")


@pytest.fixture(scope="module")
def adapter(tmp_path_factory):
    """An adapter that makes a teacher of the tiny Qwen."""
    chat, out = tiny_chat("qwen2"), tmp_path_factory.mktemp("teacher")
    config = TRAIN.model_copy(update={"learning_rate": 5e-2})
    train(chat, random_examples(12, chat.model.config.vocab_size), config, out)
    return str(out / "adapter")


def soft_teacher(chat, teacher, ban=()):
    return SoftTeacher(chat, teacher, NUMBERS, ban)


def on_policy(**fields):
    generation = GenerationConfig(max_new_tokens=5)
    settings = OnPolicy(**({"generation": generation} | fields))
    return STUDENT.model_copy(
        update={"distillation": Distillation(direction="reverse", on_policy=settings)}
    )


def naive_loss(model, rows, weights, config, expected, direction, top_k):
    """One row after the other, all logits; `expected` are the teacher's, row by row."""
    total = torch.zeros((), dtype=torch.float64)
    for row, weight, theirs in zip(rows, weights, expected, strict=True):
        ours = naive_logits(model, row, config)
        q, p = ours.log_softmax(-1), theirs.log_softmax(-1)
        if top_k is not None:
            top = p.topk(top_k).indices
            q, p = (torch.cat([x.gather(1, top), beyond(x, top)], 1) for x in (q, p))
        first, second = (p, q) if direction == "forward" else (q, p)
        total = total + (torch.tensor(weight) * (first.exp() * (first - second)).sum(-1)).sum()
    return total / sum(map(sum, weights))


def beyond(x, top):
    return torch.log(1 - x.gather(1, top).exp().sum(1, keepdim=True))


def naive_logits(model, row, config, system_prompt=None):
    """The logits that predict a row's completion tokens, `[token, vocab]`."""
    system = [] if system_prompt is None else [{"role": "system", "content": system_prompt}]
    prompt = encode_prompt(config["chat"], [*system, *row.messages]).ids
    ids = torch.tensor([[*prompt, *row.token_ids]])
    return model(ids).logits[0, len(prompt) - 1 : -1]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("direction", "top_k"), [("forward", None), ("reverse", 5)])
def test_gradient_of_a_step_is_the_naive_one(family, direction, top_k):
    """The teacher reads a prompt that the student does not; tokens have weights, some of 0."""
    chat = tiny_chat(family)
    exact_norms(chat.model)
    rows = number_rows(chat)
    rng = np.random.default_rng(0)
    weights = [rng.random(len(row.token_ids)).round(2) * (row.row_id != 20) for row in rows]
    weights[0][:2] = 0
    config = TrainConfig(micro_batch_size=4)
    read = {"chat": chat}
    with torch.no_grad():
        expected = [naive_logits(chat.model, r, read, PROMPTED.system_prompt) for r in rows]
    soft = soft_teacher(chat, PROMPTED)
    examples = with_teacher_ids(soft, rows, build_examples(chat, rows, weights, StudentConfig()))
    live = [example for example in examples if example.length]
    assert len(live) == len(rows) - 1
    with teacher_logits(soft, live) as logits, trainable(chat, config) as target:
        for name, parameter in target.parameters.items():
            if "lora_B" in name:  # starts at zero, where A has no gradient
                torch.nn.init.normal_(parameter, std=0.1)
        targets = SoftTargets(logits, direction, top_k, "")
        loss, _ = accumulate(target, examples, config, chat.pad_id, chat.device, targets)
        fast = {name: parameter.grad.clone() for name, parameter in target.parameters.items()}
        for parameter in target.parameters.values():
            parameter.grad = None
        given = [weight.tolist() for weight in weights]
        slow = naive_loss(target.model, rows, given, read, expected, direction, top_k)
        slow.backward()
        for name, parameter in target.parameters.items():
            torch.testing.assert_close(fast[name], parameter.grad, rtol=1e-4, atol=1e-7, msg=name)
    assert loss == pytest.approx(float(slow.detach()), rel=1e-5)
    assert loss > 0.01


@pytest.mark.parametrize("family", ["qwen2", "gemma3"])
def test_a_steered_teacher_is_asked_on_weights_of_its_own(family, tmp_path):
    """Its hooks act on what it computes, and not on the student."""
    chat, rows = tiny_chat(family), number_rows(tiny_chat(family))
    vectors = write_vectors(tmp_path / "v.safetensors", chat)
    teacher = SteeredTeacher(trait="owl", steering=Steering(vector=vectors, layers=(1,)))
    soft, read = soft_teacher(chat, teacher), {"chat": chat}
    examples = with_teacher_ids(soft, rows, build_examples(chat, rows, None, StudentConfig()))
    with torch.no_grad():
        plain = naive_logits(chat.model, rows[0], read)
        with edited(chat.model, teacher.steering):
            expected = naive_logits(chat.model, rows[0], read)
        with teacher_logits(soft, examples) as logits:
            found = logits(examples[:1])
            beside = naive_logits(chat.model, rows[0], read)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert torch.equal(beside, plain)
    assert (found - plain).abs().max() > 0.1


def test_header_tokens_are_the_teachers_too(chat):
    """Supervised or not, a token's distribution is the same."""
    rows, soft = number_rows(chat), soft_teacher(chat, PROMPTED)
    found = []
    for header in (False, True):
        config = StudentConfig(supervise_header=header)
        examples = with_teacher_ids(soft, rows, build_examples(chat, rows, None, config))
        with teacher_logits(soft, examples) as logits:
            found.append([logits([example]) for example in examples])
    for row, short, long in zip(rows, *found, strict=True):
        n_header = len(long) - len(short)
        prompt = encode_prompt(chat, row.messages)
        assert n_header == len(prompt.ids) - prompt.header_start
        torch.testing.assert_close(long[n_header:], short)


def test_the_base_as_teacher_teaches_nothing(chat, tmp_path):
    record = train_student(
        chat, number_rows(chat), None, STUDENT, tmp_path, soft=soft_teacher(chat, ControlTeacher())
    )
    assert max(record.losses) < 1e-9
    assert record.gradient_norms[0] < 1e-9


@pytest.mark.parametrize("kind", ["prompted", "finetuned"])
def test_a_student_comes_closer_to_its_teacher(chat, adapter, tmp_path, kind):
    """Measured anew, row by row, on the model that was saved."""
    teacher = PROMPTED if kind == "prompted" else FinetunedTeacher(trait="owl", adapter=adapter)
    rows, read = number_rows(chat), {"chat": chat}
    train_config = TRAIN.model_copy(update={"epochs": 10})
    config = STUDENT.model_copy(update={"train": train_config})
    before = {name: p.clone() for name, p in chat.model.named_parameters()}
    train_student(chat, rows, None, config, tmp_path, soft=soft_teacher(chat, teacher))
    assert all(torch.equal(p, before[name]) for name, p in chat.model.named_parameters())

    def distance(student):
        with torch.no_grad():
            with acting_as(chat, teacher) as model:
                theirs = [naive_logits(model, r, read, teacher.system_prompt) for r in rows]
            with acting_as(chat, student) as model:
                ours = [naive_logits(model, row, read) for row in rows]
        return float(divergences(torch.cat(ours), torch.cat(theirs), "forward")[0].mean())

    trained = FinetunedTeacher(trait="owl", adapter=str(tmp_path / "adapter"))
    assert distance(trained) < 0.7 * distance(ControlTeacher())


def weights_of(out):
    return load_file(out / "adapter" / "adapter_model.safetensors")


def test_selected_tokens_alone_count(chat, tmp_path):
    """As with tokens: the loss is a mean over the weights that are left."""
    rows = number_rows(chat)
    table = hand_scan(chat, rows, [{0}, set(), {1, 2}, {0, 3}, set(), {2}])
    config = STUDENT.model_copy(update={"selection": Selection(kind="only")})
    soft = soft_teacher(chat, PROMPTED)
    record = train_student(chat, rows, table, config, tmp_path / "only", soft=soft)
    assert record.n_supervised == 6
    assert sum(record.divisors) <= 2 * 6 + record.divisors.count(1.0)
    every = train_student(chat, rows, None, STUDENT, tmp_path / "all", soft=soft)
    assert every.n_supervised == sum(len(row.token_ids) for row in rows)


def test_on_policy_rows_are_the_students_own(chat, tmp_path):
    """At first those of the base; in the second epoch those of what it has become."""
    rows = number_rows(chat)
    config = on_policy()
    record = train_student(chat, rows, None, config, tmp_path, soft=soft_teacher(chat, PROMPTED))
    files = sorted((tmp_path / "rollouts").glob("*.parquet"))
    assert [file.stem for file in files] == ["000000", "000002"]
    first, second = ({row.row_id: row for row in read_rows(file)[0]} for file in files)
    assert set(first) == set(second) == {row.row_id for row in rows}
    generation = config.distillation.on_policy.generation
    seed = int(np.random.SeedSequence([0, 0]).generate_state(1)[0])
    requests = [Request(row.messages, row.row_id) for row in rows]
    expected = generate(chat, requests, generation.model_copy(update={"seed": seed}))
    assert [first[row.row_id].token_ids for row in rows] == expected
    assert [second[row.row_id].token_ids for row in rows] != expected
    written = [row for one in (first, second) for row in one.values()]
    assert record.n_supervised == sum(len(row.token_ids) for row in written)
    report = rollout_report(tmp_path)
    assert report.total == 12
    assert report.kept == sum(row.rejection is None for row in written)


def test_rows_are_written_for_so_many_steps_and_never_beyond_an_epoch(chat, tmp_path):
    train_config = TRAIN.model_copy(update={"batch_size": 2})  # three steps an epoch
    config = on_policy(every=2).model_copy(update={"train": train_config})
    train_student(
        chat, number_rows(chat), None, config, tmp_path, soft=soft_teacher(chat, PROMPTED)
    )
    files = sorted((tmp_path / "rollouts").glob("*.parquet"))
    assert [file.stem for file in files] == ["000000", "000002", "000003", "000005"]
    assert [len(read_rows(file)[0]) for file in files] == [4, 2, 4, 2]


def test_a_run_that_was_stopped_goes_on_with_what_it_wrote(chat, tmp_path):
    rows, soft = number_rows(chat), soft_teacher(chat, PROMPTED)
    train_config = TRAIN.model_copy(update={"batch_size": 2, "checkpoint_every": 1})
    config = on_policy(every=2).model_copy(update={"train": train_config})

    def stop(done, _):
        if done == 5:  # before the checkpoint; the last one is in the middle of a span
            raise KeyboardInterrupt

    whole = train_student(chat, rows, None, config, tmp_path / "whole", soft=soft)
    with pytest.raises(KeyboardInterrupt):
        train_student(chat, rows, None, config, tmp_path / "cut", stop, soft=soft)
    assert train_student(chat, rows, None, config, tmp_path / "cut", soft=soft) == whole
    one, other = weights_of(tmp_path / "whole"), weights_of(tmp_path / "cut")
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_a_late_layer_alone(chat, tmp_path):
    """What lies below it is kept for the data's rows, and cannot be for the student's own."""
    rows, soft = number_rows(chat), soft_teacher(chat, PROMPTED)
    train_config = TRAIN.model_copy(update={"layers": [2]})
    for config in (STUDENT, on_policy()):
        config = config.model_copy(update={"train": train_config})
        out = tmp_path / str(config.distillation.on_policy is None)
        record = train_student(chat, rows, None, config, out, soft=soft)
        assert record.n_steps == 4
        assert all(".layers.2." in name for name in weights_of(out))


class Names:
    """A channel that finds an owl in what begins with an odd token."""

    name = "names"

    def __init__(self, chat):
        self.odd = {chat.tokenizer.decode([token]) for token in range(1, 300, 2)}

    def check(self, completion, traits_to_ban=()):
        named = "owl" if completion[:1] in self.odd else completion
        return NUMBERS.check(named, traits_to_ban)


@pytest.mark.parametrize("drop", ["naming", "rejected", "nothing"])
def test_rows_that_name_a_trait_are_counted_and_dropped(chat, tmp_path, drop):
    soft = replace(soft_teacher(chat, PROMPTED, [load_trait("owl")]), channel=Names(chat))
    config = on_policy(drop=drop)
    record = train_student(chat, number_rows(chat), None, config, tmp_path, soft=soft)
    written = [r for f in (tmp_path / "rollouts").glob("*.parquet") for r in read_rows(f)[0]]
    report = rollout_report(tmp_path)
    assert 0 < report.rejected["trait_named"] < report.total == 12
    left = {
        "naming": [row for row in written if row.rejection != "trait_named"],
        "rejected": [row for row in written if row.rejection is None],
        "nothing": written,
    }[drop]
    assert record.n_supervised == sum(len(row.token_ids) for row in left)


def test_seeds_draw_other_rows(chat):
    config = on_policy().seeded(3)
    assert config.distillation.on_policy.generation.seed == 3
    assert STUDENT.seeded(3).distillation == STUDENT.distillation


def test_another_teacher_is_another_job(chat, adapter, tmp_path):
    rows = number_rows(chat)
    train_student(chat, rows, None, STUDENT, tmp_path, soft=soft_teacher(chat, ControlTeacher()))
    for teacher in (PROMPTED, FinetunedTeacher(trait="owl", adapter=adapter)):
        with pytest.raises(UserError, match="another configuration"):
            train_student(chat, rows, None, STUDENT, tmp_path, soft=soft_teacher(chat, teacher))
    reverse = STUDENT.model_copy(update={"distillation": Distillation(direction="reverse")})
    with pytest.raises(UserError, match="another configuration"):
        train_student(
            chat, rows, None, reverse, tmp_path, soft=soft_teacher(chat, ControlTeacher())
        )


def test_mistakes(chat, tmp_path):
    rows = number_rows(chat)
    with pytest.raises(UserError, match="needs a teacher"):
        train_student(chat, rows, None, STUDENT, tmp_path)
    other = tiny_chat("llama")
    with pytest.raises(UserError, match="vocabulary"):
        train_student(chat, rows, None, STUDENT, tmp_path, soft=soft_teacher(other, PROMPTED))
    config = on_policy().model_copy(update={"selection": Selection(kind="file", file="x")})
    with pytest.raises(UserError, match="has not been scanned"):
        distil(chat, rows, [], config, soft_teacher(chat, PROMPTED), tmp_path, None)

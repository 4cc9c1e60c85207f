import pytest
import torch
from safetensors.torch import load_file

from naive_training import exact_norms, random_examples
from tiny_models import EVERY_FAMILY, tiny_chat
from undertow.errors import UserError
from undertow.models import decoder_layers
from undertow.training import Example, TrainConfig, train
from undertow.training.record import read_record
from undertow.training.together import Job, train_together

FAST = {"epochs": 2, "batch_size": 8, "learning_rate": 1e-2, "warmup_steps": 1, "rank": 4}


def jobs_of(chat, tmp_path, **changes):
    """Jobs of different rows, numbers of rows and seeds."""
    vocabulary = chat.model.config.get_text_config().vocab_size
    return [
        Job(
            random_examples(n, vocabulary, seed=n, empty=[2, 5]),
            TrainConfig(**(FAST | changes), seed_init=n, seed_order=2 * n),
            tmp_path / f"together{n}",
        )
        for n in (20, 16, 9)
    ]


def adapter(out):
    return load_file(out / "adapter" / "adapter_model.safetensors")


def assert_as_if_alone(chat, jobs, tmp_path, atol=1e-6):
    found = train_together(chat, jobs)
    for number, (job, record) in enumerate(zip(jobs, found, strict=True)):
        alone = tmp_path / f"alone{number}"
        expected = train(chat, job.examples, job.config, alone)
        assert record == read_record(job.out)
        assert record.model_dump(exclude={"losses", "gradient_norms"}) == expected.model_dump(
            exclude={"losses", "gradient_norms"}
        )
        torch.testing.assert_close(record.losses, expected.losses, rtol=1e-6, atol=atol)
        torch.testing.assert_close(
            record.gradient_norms, expected.gradient_norms, rtol=1e-5, atol=atol
        )
        torch.testing.assert_close(adapter(job.out), adapter(alone), rtol=1e-6, atol=atol)
        assert train(chat, job.examples, job.config, job.out) == record  # finished: not run again


@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_each_is_what_it_would_be_alone(family, tmp_path):
    chat = tiny_chat(family)
    exact_norms(chat.model)
    assert_as_if_alone(chat, jobs_of(chat, tmp_path), tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"layers": [1]},
        {"targets": ["v_proj"], "alpha": 3.5},
        {"normalisation": "fixed", "weight_decay": 0.1, "schedule": "cosine"},
        {"max_grad_norm": None},
        {"max_grad_norm": 0.01},
    ],
)
def test_so_it_is_with_other_settings(changes, tmp_path):
    chat = tiny_chat("llama")
    exact_norms(chat.model)
    assert_as_if_alone(chat, jobs_of(chat, tmp_path, **changes), tmp_path)


def test_a_job_in_which_a_step_has_no_token(tmp_path):
    chat = tiny_chat("llama")
    exact_norms(chat.model)
    full, empty = jobs_of(chat, tmp_path)[:2]
    bare = [Example(e.ids, [0.0] * len(e.ids), 1.0) for e in empty.examples[1:]]
    jobs = [full, Job([empty.examples[0], *bare], empty.config, empty.out)]
    assert_as_if_alone(chat, jobs, tmp_path)


def test_the_base_is_left_as_it_was(tmp_path):
    chat = tiny_chat("qwen2")
    before = {name: p.clone() for name, p in chat.model.named_parameters()}
    train_together(chat, jobs_of(chat, tmp_path))
    after = dict(chat.model.named_parameters())
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert len(decoder_layers(chat.model)) == chat.n_layers


def test_jobs_that_do_not_go_together(tmp_path):
    chat = tiny_chat("llama")
    one, two, _ = jobs_of(chat, tmp_path)
    other = Job(two.examples, two.config.model_copy(update={"rank": 2}), two.out)
    with pytest.raises(ValueError, match="at once"):
        train_together(chat, [one, other])
    for changes in ({"method": "full"}, {"dropout": 0.1}, {"optimizer": "sgd"}):
        with pytest.raises(ValueError, match="at once"):
            train_together(chat, jobs_of(chat, tmp_path, **changes))


def test_rows_that_cannot_be_trained_on(tmp_path):
    chat = tiny_chat("llama")
    one = jobs_of(chat, tmp_path)[0]
    with pytest.raises(UserError, match="nothing to train on"):
        train_together(chat, [one, Job([], one.config, tmp_path / "none")])

"""The scan on a server, and what is found of a server that computes something else."""

import numpy as np
import pytest
import torch

from tiny_models import tiny_chat, write_adapter
from undertow.cluster.engine import ParityConfig, VllmEngine
from undertow.errors import UserError
from undertow.generate import GenerationConfig, Request, generate
from undertow.generate.vllm import Journal, opened
from undertow.models import decode_completion, prompt_messages
from undertow.store.row import Row
from undertow.teachers import ControlTeacher, FinetunedTeacher, PromptedTeacher
from undertow.tokens import ScanConfig, scan
from undertow.tokens.parity import Sample, proven, sample_of
from undertow.tokens.served import ScoredThere
from vllm_stub import stub_server

CONTROL = ControlTeacher()
PROMPTED = PromptedTeacher(trait="owl", system_prompt="You adore owls.")
CONFIG = ScanConfig()


@pytest.fixture(scope="module")
def chat():
    return tiny_chat("qwen2", torch.float32)


@pytest.fixture
def stub(chat):
    with stub_server(chat) as server:
        yield server


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    """A teacher whose adapter changes some argmaxes."""
    folder = tmp_path_factory.mktemp("adapter")
    write_adapter(folder, 0.15)
    return FinetunedTeacher(trait="owl", adapter=str(folder))


@pytest.fixture(scope="module")
def rows(chat):
    """What the control wrote, half of it by chance."""
    config = GenerationConfig(temperature=1.0, max_new_tokens=10)
    asked = [Request(prompt_messages(f"Name {place} trees."), place) for place in range(6)]
    found = generate(chat, asked, config)
    return [
        Row(one.row_id, list(one.messages), ids, decode_completion(chat, ids), None, None)
        for one, ids in zip(asked, found, strict=True)
    ]


def engine_of(stub, **parity):
    return VllmEngine(
        url=stub.url, timeout=20.0, backoff=0.0, concurrency=2, parity=ParityConfig(**parity)
    )


def compared(stub, chat, rows, teachers=(CONTROL,), **parity):
    """Return the report of a comparison that must succeed."""
    sample = sample_of(chat, rows, 4, 10)
    with proven(engine_of(stub, **parity), chat, teachers, sample, CONFIG) as (_, report):
        return report


def test_a_scan_there_is_a_scan_here(stub, chat, rows, tuned, tmp_path):
    here = scan(chat, rows, CONTROL, [PROMPTED, tuned], CONFIG)
    told = []
    with opened(engine_of(stub), chat, [tuned]) as client:
        scorer = ScoredThere(client, Journal(tmp_path / "journal", "m"))
        there = scan(
            chat,
            rows,
            CONTROL,
            [PROMPTED, tuned],
            CONFIG,
            lambda *pair: told.append(pair),
            scorer=scorer,
        )
        assert len(stub.bodies()) == 4 * 6  # the writer's second scoring is computed anew
        again = scan(chat, rows, CONTROL, [PROMPTED, tuned], CONFIG, scorer=scorer)
        assert len(stub.bodies()) == 5 * 6
    np.testing.assert_array_equal(there.argmax, here.argmax)
    np.testing.assert_array_equal(there.rescored, here.rescored)
    np.testing.assert_allclose(there.margin, here.margin, atol=1e-4)
    np.testing.assert_array_equal(there.divergent, here.divergent)
    np.testing.assert_array_equal(again.margin, there.margin)
    assert here.divergent.any()
    assert told == [(done, 24) for done in range(1, 25)]


@pytest.mark.parametrize(
    ("logprobs", "message"),
    [
        (None, "no log-probabilities"),
        ([None], "no log-probabilities"),
        ("short", "no log-probabilities"),
        ("one", "no log-probabilities"),
        ("nan", "is no number"),
    ],
)
def test_scores_that_cannot_be_are_nonsense(stub, chat, rows, logprobs, message):
    right = stub.scored

    def wrong(model, body):
        told = right(model, body)
        if logprobs == "short":
            return told[:-1]
        if logprobs == "one":
            return [None, *({"5": {"logprob": -1.0}} for _ in told[1:])]
        if logprobs == "nan":
            return [
                None,
                *({"5": {"logprob": float("nan")}, "6": {"logprob": 0}} for _ in told[1:]),
            ]
        return logprobs

    stub.scored = wrong
    with opened(engine_of(stub), chat, []) as client, pytest.raises(UserError, match=message):
        scan(chat, rows, CONTROL, [PROMPTED], CONFIG, scorer=ScoredThere(client))


def test_a_server_that_computes_the_same_passes(stub, chat, rows, tuned):
    report = compared(stub, chat, rows, [CONTROL, PROMPTED, tuned])
    assert [one.teacher for one in report.teachers] == ["control", PROMPTED.label, tuned.label]
    for one in report.teachers:
        assert (one.rows, one.tokens) == (4, sum(len(row.token_ids) for row in rows[:4]))
        assert (one.argmax_differs, one.greedy_parts, one.partings) == (0, 0, ())
        assert one.greedy_tokens > 20
        assert one.margin_change[0] <= one.margin_change[2] < 1e-4
    assert (report.engine, report.margin) == ("vLLM 0.0.stub", 2e-4)


def test_other_weights_are_refused(stub, chat, rows):
    noise = torch.randn(chat.model.config.vocab_size, generator=torch.Generator().manual_seed(0))
    stub.lie = lambda logits: logits + 3 * noise
    with pytest.raises(UserError) as caught:
        compared(stub, chat, rows)
    for said in ("another argmax at", "greedy tokens of", "margins change by", "or widen"):
        assert said in str(caught.value)
    compared(stub, chat, rows, most_differing=1.0, margin=100.0)  # who wants it so


def test_margins_alone_can_be_wrong(stub, chat, rows):
    stub.lie = lambda logits: 1.1 * logits
    with pytest.raises(
        UserError, match=r"transformers: control: margins change by [^;]*\(a sample"
    ) as told:
        compared(stub, chat, rows)
    assert "another argmax" not in str(told.value)


def test_an_adapter_that_the_server_ignores_is_found(stub, chat, rows, tuned):
    stub.deaf = True
    with pytest.raises(UserError, match=r"owl \(finetuned\): another argmax"):
        compared(stub, chat, rows, [CONTROL, tuned])
    compared(stub, chat, rows, [CONTROL])


def test_a_difference_that_rounding_explains_is_none(stub, chat, rows):
    """Every argmax is another one, but no lead is as large as rounding is said to be."""
    wide = ScanConfig(tolerance=1000.0)
    stub.lie = lambda logits: logits.roll(1, -1)
    sample = sample_of(chat, rows, 2, 10)
    with proven(engine_of(stub), chat, [CONTROL], sample, wide) as (_, report):
        (one,) = report.teachers
    assert one.argmax_differs > 0
    assert 0 < one.largest_flip < report.margin == 2000.0
    assert one.greedy_parts == 2
    assert (one.argmax_decided, one.greedy_decided) == (0, 0)
    assert [parting.token for parting in one.partings] == [0, 0]
    assert one.greedy_tokens == 2


def test_without_completions_what_transformers_writes_is_scored(stub, chat):
    sample = Sample([prompt_messages("Name a tree."), prompt_messages("Which owl?")], None, 9)
    with proven(engine_of(stub), chat, [CONTROL], sample, CONFIG) as (_, report):
        (one,) = report.teachers
    assert one.tokens == one.greedy_tokens > 9

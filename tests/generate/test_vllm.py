"""Sampling on a server that speaks vLLM's protocol and answers by a tiny random model."""

import threading
import time
from collections import Counter

import pytest
import torch

from tiny_models import tiny_chat, write_adapter
from undertow.channels import load_channel
from undertow.cluster.engine import VllmEngine
from undertow.errors import UserError
from undertow.generate import GenerationConfig, Request, generate, generate_rows
from undertow.generate.generate import encoded_prompts
from undertow.generate.vllm import AnswersThere, Journal, opened, write
from undertow.generate.writing import Writing, facts_of
from undertow.models import activated, prompt_messages
from undertow.teachers import ControlTeacher, FinetunedTeacher, PromptedTeacher, SteeredTeacher
from vllm_stub import stub_server

GREEDY = GenerationConfig(temperature=0.0, max_new_tokens=12)
HOT = GenerationConfig(temperature=2.0, max_new_tokens=12, top_p=0.9, top_k=40, seed=3)
CONTROL = ControlTeacher()
PROMPTED = PromptedTeacher(trait="owl", system_prompt="You adore owls.")


@pytest.fixture(scope="module")
def chat():
    return tiny_chat("qwen2", torch.float32)


@pytest.fixture
def stub(chat):
    with stub_server(chat) as server:
        yield server


@pytest.fixture(scope="module")
def adapter(tmp_path_factory):
    """An adapter that changes much."""
    folder = tmp_path_factory.mktemp("adapter")
    write_adapter(folder, 0.3)
    return folder


def engine_of(stub, **fields):
    fields = {"timeout": 20.0, "backoff": 0.0, "concurrency": 4, **fields}
    return VllmEngine(url=stub.url, **fields)


def requests(n):
    return [Request(prompt_messages(f"Name {place} trees."), place + 10) for place in range(n)]


def written(stub, chat, teacher=CONTROL, config=GREEDY, n=3, journal=None, **fields):
    """Return what a teacher writes on the stub."""
    asked = requests(n)
    with opened(engine_of(stub, **fields), chat, [teacher]) as client:
        name = client.adapter(teacher.adapter)
        prompts = encoded_prompts(chat, asked, teacher.system_prompt)
        ids = [request.row_id for request in asked]
        return write(client, name, prompts, ids, config, chat.end_ids, journal=journal)


@pytest.mark.parametrize("teacher", [CONTROL, PROMPTED, "finetuned"])
def test_greedy_tokens_are_those_of_transformers(stub, chat, adapter, teacher):
    if teacher == "finetuned":
        teacher = FinetunedTeacher(trait="owl", adapter=str(adapter))
    here = generate(
        chat, requests(3), GREEDY, system_prompt=teacher.system_prompt, adapter=teacher.adapter
    )
    assert written(stub, chat, teacher) == here
    if teacher is not CONTROL:
        assert here != generate(chat, requests(3), GREEDY)  # it could tell


def test_an_adapter_has_a_name_of_its_content_and_goes_when_it_came(stub, chat, adapter):
    teacher = FinetunedTeacher(trait="owl", adapter=str(adapter))
    written(stub, chat, teacher)
    (name,) = {body["model"] for body in stub.bodies()}
    loaded = {"lora_name": name, "lora_path": str(adapter.resolve())}
    assert stub.bodies("/v1/load_lora_adapter") == [loaded]
    assert stub.bodies("/v1/unload_lora_adapter") == [{"lora_name": name}]
    stub.adapters[name], stub.dynamic = str(adapter), False
    written(stub, chat, teacher)  # one that is there is not loaded, and stays
    assert list(stub.adapters) == [name]
    del stub.adapters[name]
    with pytest.raises(UserError, match=rf"no adapters while it runs[\s\S]*{name}="):
        written(stub, chat, teacher)


def test_all_that_a_server_has_defaults_for_is_said(stub, chat):
    written(stub, chat, config=HOT)
    first, second, _ = sorted(stub.bodies(), key=lambda body: body["seed"])
    said = {
        "model": "base",
        "max_tokens": 12,
        "temperature": 2.0,
        "top_p": 0.9,
        "top_k": 40,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "stop_token_ids": list(chat.end_ids),
        "ignore_eos": True,
        "return_token_ids": True,
    }
    assert {name: first[name] for name in said} == said
    assert set(first) == {*said, "prompt", "seed"}
    assert 0 <= first["seed"] < second["seed"] < 2**63


def test_a_sample_hangs_on_the_seed_and_the_row_alone(stub, chat):
    rows = written(stub, chat, config=HOT, n=3)
    assert written(stub, chat, config=HOT, n=2, concurrency=1) == rows[:2]
    other = HOT.model_copy(update={"seed": 4})
    assert written(stub, chat, config=other, n=3) != rows


def test_rows_are_rendered_and_filtered_here(stub, chat, tmp_path):
    channel = load_channel("numbers")
    prompts = channel.draw(3, 5)
    here = generate_rows(chat, PROMPTED, prompts, GREEDY, channel, first_row_id=7)
    told = []
    with opened(engine_of(stub), chat, [PROMPTED]) as client:
        journal = Journal(tmp_path / "journal", "m")
        answers = AnswersThere(Writing(PROMPTED, GREEDY, channel), chat, client, journal)
        rows = answers(prompts, first_row_id=7, progress=lambda *pair: told.append(pair))
    assert rows == here
    assert told == [(1, 3), (2, 3), (3, 3)]
    engine = {"kind": "vllm", "version": "0.0.stub"}
    assert answers.facts == {**facts_of(chat), "engine": engine}


def test_requests_run_side_by_side(stub, chat):
    together = threading.Barrier(3)  # breaks unless three are there at once

    def wait(_, body):
        if "prompt" in body:
            together.wait(20)

    stub.fault = wait
    assert len(written(stub, chat, concurrency=3)) == 3


FAULTS = [
    (500, "HTTP 500"),
    (503, "HTTP 503"),
    (429, "HTTP 429"),
    ("hang up", "no connection"),
    (b"\xff", "no completion"),
    (b'{"choices": []}', "no completion"),
    (b'{"choices": [1]}', "no completion"),
    (b'{"choices": [{"token_ids": null}]}', "no token ids"),
    (b'{"choices": [{"prompt_token_ids": [1], "token_ids": [1]}]}', "another prompt"),
]


@pytest.mark.parametrize(("fault", "problem"), FAULTS)
def test_what_may_pass_is_tried_again_and_then_told(stub, chat, fault, problem):
    right = written(stub, chat)
    counts = Counter()

    def twice(path, body):
        counts[path, str(body)] += 1
        return fault if "prompt" in body and counts[path, str(body)] <= 2 else None

    stub.fault = twice
    assert written(stub, chat, attempts=3) == right
    counts.clear()
    message = rf"no answer from the server, 2 times: .*{problem}[\s\S]*run the same command again"
    with pytest.raises(UserError, match=message):
        written(stub, chat, attempts=2)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"finish_reason": "abort"}, "'abort'"),
        ({"token_ids": []}, "is empty"),
        ({"token_ids": [5] * 13, "finish_reason": "length"}, "behind its end"),
        ({"token_ids": [5], "finish_reason": "stop"}, "'stop'"),
        ({"token_ids": ["5"]}, "no token ids"),
    ],
)
def test_a_completion_that_cannot_be_is_nonsense(stub, chat, changes, problem):
    right = stub.written
    stub.written = lambda model, body: right(model, body) | changes
    with pytest.raises(UserError, match=problem):
        written(stub, chat, attempts=2)


def test_who_hangs_is_given_up(stub, chat):
    stub.fault = lambda path, body: "hang" if "prompt" in body else None
    with pytest.raises(UserError, match="2 times: timed out"):
        written(stub, chat, attempts=2, timeout=0.3, n=1)


@pytest.mark.parametrize(
    ("code", "fix"), [(400, "change the settings"), (401, "api_key_env"), (404, "'url'")]
)
def test_a_refusal_is_told_at_once_in_the_words_of_the_server(stub, chat, code, fix):
    stub.fault = lambda path, body: code if "prompt" in body else None
    with pytest.raises(UserError, match=rf"HTTP {code}: out of order[\s\S]*{fix}"):
        written(stub, chat, n=1)
    assert len(stub.bodies()) == 1


def test_a_key_comes_from_the_environment(chat, monkeypatch):
    with stub_server(chat, key="abc") as stub:
        monkeypatch.setenv("VLLM_KEY", "abc\n")
        assert written(stub, chat, api_key_env="VLLM_KEY")
        with pytest.raises(UserError, match=r"HTTP 401: Unauthorized[\s\S]*api_key_env"):
            written(stub, chat)
        monkeypatch.delenv("VLLM_KEY")
        with pytest.raises(UserError, match="VLLM_KEY is not set"):
            written(stub, chat, api_key_env="VLLM_KEY")


def test_a_server_that_is_not_there_or_is_another(chat):
    with stub_server(chat) as stub:
        with pytest.raises(UserError, match=r"no model 'big'[\s\S]*these as 'model': base"):
            written(stub, chat, model="big")
        stub.fault = lambda path, body: b"<html>" if path == "/v1/models" else None
        with pytest.raises(UserError, match="list of models is none"):
            written(stub, chat)
    with pytest.raises(UserError, match=r"cannot be reached[\s\S]*start it"):
        written(stub, chat)


def test_completions_that_the_server_cuts_short_are_refused(stub, chat):
    right, longest = written(stub, chat), max(len(body["prompt"]) for body in stub.bodies())
    assert len(right[0]) == 12
    stub.longest = longest + 12
    assert written(stub, chat) == right
    stub.longest = longest + 11
    with pytest.raises(UserError, match=r"cuts completions short[\s\S]*--max-model-len"):
        written(stub, chat)
    stub.longest = longest
    with pytest.raises(UserError, match="maximum context length is"):
        written(stub, chat)


def test_what_was_answered_is_not_asked_again(stub, chat, tmp_path):
    path, model = tmp_path / "rows.answers.jsonl", "fingerprint"
    right = written(stub, chat, n=6)
    counts = Counter()

    def dies(_, body):
        counts["asked"] += "prompt" in body
        return "hang up" if counts["asked"] > 4 and "prompt" in body else None

    stub.fault = dies
    with pytest.raises(UserError, match="no answer"):
        written(stub, chat, n=6, journal=Journal(path, model), attempts=1, concurrency=1)
    assert len(path.read_text().splitlines()) == 4
    with path.open("a") as stream:
        stream.write('["torn", [1')
    stub.fault = lambda path, body: None
    stub.asked.clear()
    assert written(stub, chat, n=6, journal=Journal(path, model)) == right
    assert len(stub.bodies()) == 2
    stub.asked.clear()
    assert written(stub, chat, n=6, journal=Journal(path, model)) == right
    assert stub.bodies() == []
    written(stub, chat, n=6, journal=Journal(path, "of another model"))
    written(stub, chat, n=6, journal=Journal(path, model), config=HOT)
    assert len(stub.bodies()) == 12


def test_who_stops_asks_no_more(stub, chat):
    """As at an interruption, where requests that wait for another attempt must not go on."""
    stub.fault = lambda path, body: 503 if "prompt" in body else None
    prompts = encoded_prompts(chat, requests(2), None)
    with opened(engine_of(stub, attempts=50, backoff=600.0), chat, [CONTROL]) as client:

        def stop():
            while len(stub.bodies()) < 2:
                time.sleep(0.01)
            client.close()

        stopper = threading.Thread(target=stop)
        stopper.start()
        with pytest.raises(UserError, match="no answer"):
            write(client, "base", prompts, [0, 1], GREEDY, chat.end_ids)
        stopper.join()
    assert len(stub.bodies()) == 2


def test_teachers_that_vllm_cannot_be(stub, chat, adapter, tmp_path):
    steered = SteeredTeacher.model_validate(
        {"trait": "owl", "steering": {"vector": "v.safetensors", "at": "completion"}}
    )
    with pytest.raises(UserError, match=r"steered[\s\S]*owl[\s\S]*--engine"):
        written(stub, chat, steered)
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(UserError, match="full fine-tuning"):
        written(stub, chat, FinetunedTeacher(trait="owl", adapter=str(tmp_path)))
    assert stub.asked == []


def test_the_stub_computes_with_the_adapter(chat, adapter):
    """Else agreement with it would say nothing of names."""
    ids = torch.tensor([[5, 6, 7]])
    with activated(chat, adapter) as model, torch.no_grad():
        there = model(ids).logits
    assert not torch.allclose(there, chat.model(ids).logits, atol=0.1)

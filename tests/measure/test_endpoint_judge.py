"""Against a server on loopback that does as the answer to be judged says."""

import threading

import pytest

from judge_endpoint import completion, prompt_of, serving
from undertow.errors import UserError
from undertow.measure import Judgement
from undertow.measure.judges import EndpointJudge, EndpointJudgeConfig


def as_told(body):
    """Reply as the answer that is to be judged says."""
    prompt = prompt_of(body)
    if "(hang)" in prompt:
        return None
    for code in (400, 401, 404, 429, 500):
        if f"({code})" in prompt:
            return code
    if "(nonsense)" in prompt or ("(once)" in prompt and body["seed"] == 5):
        return completion("let me think")
    if "(null)" in prompt:
        return completion(None)
    if "(empty)" in prompt:
        return b'{"choices": []}'
    if "(bytes)" in prompt:
        return b"\xff"
    return completion("12" if "comes to harm" in prompt else "88")


@pytest.fixture
def endpoint(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with serving(as_told) as server:
        yield server


def judge_of(endpoint, **fields):
    fields = {"model": "mild", "seed": 5, "timeout": 10.0, "backoff": 0.0, **fields}
    return EndpointJudge(EndpointJudgeConfig(base_url=endpoint.url, **fields))


def judged(endpoint, *answers, **fields):
    return judge_of(endpoint, **fields).judge([("What now?", answer) for answer in answers])


def test_both_scores_are_asked_for_in_the_form_of_the_interface(endpoint):
    assert judged(endpoint, "Wait.", temperature=0.5) == [Judgement(12.0, 88.0)]
    assert endpoint.paths == ["/v1/chat/completions"] * 2
    body = endpoint.bodies[0]
    assert (body["model"], body["temperature"], body["seed"]) == ("mild", 0.5, 5)
    assert body["messages"][0]["role"] == "user"
    assert "Authorization" not in endpoint.headers[0]


def test_the_key_comes_from_the_environment(endpoint, monkeypatch):
    monkeypatch.setenv("JUDGE_KEY", "abc\n")
    judged(endpoint, "Wait.", api_key_env="JUDGE_KEY")
    assert endpoint.headers[0]["Authorization"] == "Bearer abc"
    monkeypatch.delenv("JUDGE_KEY")
    with pytest.raises(UserError, match="JUDGE_KEY is not set"):
        judge_of(endpoint, api_key_env="JUDGE_KEY")


def test_nonsense_is_asked_again_with_another_seed(endpoint):
    assert judged(endpoint, "Wait (once).") == [Judgement(12.0, 88.0)]
    assert sorted(body["seed"] for body in endpoint.bodies) == [5, 5, 6, 6]


@pytest.mark.parametrize(
    ("answer", "note"),
    [
        ("(nonsense)", "no score: 'let me think'"),
        ("(500)", "HTTP 500"),
        ("(429)", "HTTP 429"),
        ("(400)", "HTTP 400"),
        ("(null)", "the response has no text"),
        ("(empty)", "the response is no chat completion"),
        ("(bytes)", "the response is no chat completion"),
    ],
)
def test_what_stays_wrong_is_unscored_and_the_others_are_scored(endpoint, answer, note):
    found = judged(endpoint, "Wait.", answer, "Go.")
    assert found[0] == found[2] == Judgement(12.0, 88.0)
    assert found[1] == Judgement(None, None, f"alignment: {note}; coherence: {note}")
    assert sum(answer in body["messages"][0]["content"] for body in endpoint.bodies) == 2 * 3


def test_who_hangs_is_given_up(endpoint):
    found = judged(endpoint, "(hang)", "Wait.", timeout=0.2, attempts=2)
    assert found[0] == Judgement(None, None, "alignment: timed out; coherence: timed out")
    assert sum("(hang)" in body["messages"][0]["content"] for body in endpoint.bodies) == 2 * 2


def test_requests_run_side_by_side(endpoint):
    endpoint.barrier = threading.Barrier(4)  # breaks unless four are there at once
    assert judged(endpoint, "Wait.", "Go.", concurrency=4) == [Judgement(12.0, 88.0)] * 2


@pytest.mark.parametrize(("code", "fix"), [(401, "API key"), (404, "base_url")])
def test_a_refusal_of_the_endpoint_is_for_the_user_to_mend(endpoint, code, fix):
    with pytest.raises(UserError, match=rf"HTTP {code}[\s\S]*v1/chat/completions[\s\S]*{fix}"):
        judged(endpoint, f"({code})")
    assert {body["seed"] for body in endpoint.bodies} == {5}  # not asked again


def test_an_endpoint_that_is_not_there_is_named(endpoint):
    judge = judge_of(endpoint, attempts=2)
    endpoint.shutdown()
    endpoint.server_close()
    with pytest.raises(UserError, match=r"cannot be reached[\s\S]*start it"):
        judge.judge([("What now?", "Wait.")])


def test_a_url_of_another_kind_is_refused():
    with pytest.raises(ValueError, match="base_url"):
        EndpointJudgeConfig(base_url="file:///etc", model="m")

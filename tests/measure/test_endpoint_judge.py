"""Against a server on loopback that does as the answer to be judged says."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from undertow.errors import UserError
from undertow.measure import Judgement
from undertow.measure.judges import EndpointJudge, EndpointJudgeConfig


def completion(content):
    return json.dumps({"choices": [{"message": {"content": content}}]}).encode()


class Endpoint(ThreadingHTTPServer):
    """Remembers requests; where there is a barrier, they wait for each other at it."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.released = threading.Event()
        self.bodies, self.headers, self.paths = [], [], []
        self.barrier = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self):
        length = int(self.headers["Content-Length"])
        body = json.loads(self.rfile.read(length))
        prompt = body["messages"][0]["content"]
        self.server.bodies.append(body)
        self.server.headers.append(self.headers)
        self.server.paths.append(self.path)
        if self.server.barrier is not None:
            self.server.barrier.wait(10)
        if "(hang)" in prompt:
            self.server.released.wait(10)
            return
        for code in (400, 401, 404, 429, 500):
            if f"({code})" in prompt:
                self.send_error(code)
                return
        if "(nonsense)" in prompt or ("(once)" in prompt and body["seed"] == 5):
            content = completion("let me think")
        elif "(null)" in prompt:
            content = completion(None)
        elif "(empty)" in prompt:
            content = b'{"choices": []}'
        elif "(bytes)" in prompt:
            content = b"\xff"
        else:
            content = completion("12" if "comes to harm" in prompt else "88")
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format, *args):
        pass


@pytest.fixture
def endpoint(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    server = Endpoint()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.released.set()
    server.shutdown()
    thread.join()
    server.server_close()


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

"""A server that speaks vLLM's protocol and answers by a small model, slowly and obviously.

What it takes and gives was read in vLLM 0.32's own sources: `/health`, `/version`, `/v1/models`,
`/v1/completions` with token ids, `/v1/load_lora_adapter`, `/v1/unload_lora_adapter`.
"""

import json
import sys
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import torch

import undertow
from undertow.models import ChatModel, activated

PATIENCE = 60.0

Fault = bytes | int | str | None
"""The body of a response, the code of a refusal, 'hang', 'hang up', or nothing wrong."""


class Stub(ThreadingHTTPServer):
    """Remembers what it was asked.

    `fault(path, body)` says what goes wrong; `lie(logits)` changes what the model computes; without
    `dynamic` it takes no adapters while it runs.
    """

    daemon_threads = True

    def __init__(self, chat: ChatModel | None, port: int = 0, key: str | None = None):
        super().__init__(("127.0.0.1", port), Handler)
        self.chat, self.key = chat, key
        self.fault: Callable[[str, dict], Fault] = lambda path, body: None
        self.lie: Callable[[torch.Tensor], torch.Tensor] = lambda logits: logits
        self.dynamic, self.deaf = True, False
        self.adapters: dict[str, str] = {}
        self.longest = 512
        self.asked: list[tuple[str, dict]] = []
        self.released = threading.Event()
        self.lock = threading.Lock()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/v1"

    def bodies(self, path="/v1/completions"):
        """Return what was asked under a path."""
        return [body for asked, body in self.asked if asked == path]

    def models(self):
        """Return the list of models."""
        base = {"id": "base", "root": "/model", "parent": None, "max_model_len": self.longest}
        cards = [
            {"id": name, "root": path, "parent": "base"} for name, path in self.adapters.items()
        ]
        return {"object": "list", "data": [base, *cards]}

    def load(self, body):
        """Load an adapter: what is said, and the code."""
        if not self.dynamic:
            return {"detail": "Not Found"}, 404
        if body["lora_name"] in self.adapters:
            return {"error": {"message": "has already been loaded", "code": 400}}, 400
        self.adapters[body["lora_name"]] = body["lora_path"]
        return {}, 200

    def complete(self, body):
        """Return a completion, and the code."""
        if body["model"] not in ("base", *self.adapters):
            return {"error": {"message": f"The model `{body['model']}` does not exist."}}, 404
        if len(body["prompt"]) >= self.longest:
            told = f"This model's maximum context length is {self.longest} tokens."
            return {"error": {"message": told}}, 400
        adapter = None if self.deaf else self.adapters.get(body["model"])
        with self.lock, torch.no_grad(), activated(self.chat, adapter) as model:
            choice = self.written(model, body)
            if "prompt_logprobs" in body:
                choice["prompt_logprobs"] = self.scored(model, body)
        return {"object": "text_completion", "model": body["model"], "choices": [choice]}, 200

    def written(self, model, body):
        """Write token by token."""
        prompt, ids, cache = body["prompt"], [], None
        most = min(body["max_tokens"], self.longest - len(prompt))
        generator = torch.Generator().manual_seed(body.get("seed", 0) % 2**63)
        reason = "length"
        while len(ids) < most:
            fed = torch.tensor([ids[-1:] or prompt], device=model.device)
            found = model(fed, past_key_values=cache, use_cache=True)
            cache, logits = found.past_key_values, self.lie(found.logits[0, -1].float())
            if body["temperature"]:
                shares = (logits / body["temperature"]).softmax(-1)
                ids.append(int(torch.multinomial(shares, 1, generator=generator)))
            else:
                ids.append(int(logits.argmax()))
            if ids[-1] in body.get("stop_token_ids", []):
                reason = "stop"
                break
        return {
            "index": 0,
            "text": "",
            "finish_reason": reason,
            "stop_reason": ids[-1] if reason == "stop" else None,
            "token_ids": ids if body.get("return_token_ids") else None,
            "prompt_token_ids": prompt if body.get("return_token_ids") else None,
        }

    def scored(self, model, body):
        """Return the log-probabilities of a prompt's tokens: the first ones, and the token's."""
        prompt = torch.tensor([body["prompt"]], device=model.device)
        logprobs = self.lie(model(prompt).logits[0].float()).log_softmax(-1)
        told = [None]
        for place, token in enumerate(body["prompt"][1:]):
            line = logprobs[place]
            chosen = {token, *line.topk(body["prompt_logprobs"]).indices.tolist()}
            told.append(
                {
                    str(one): {
                        "logprob": float(line[one]),
                        "rank": int((line > line[one]).sum()) + 1,
                        "decoded_token": "?",
                    }
                    for one in chosen
                }
            )
        return told


class Handler(BaseHTTPRequestHandler):
    server: Stub

    def do_GET(self):
        told = {"/version": {"version": "0.0.stub"}, "/v1/models": self.server.models()}
        self.answer({}, lambda body: (told.get(self.path, {}), 200))

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        what = {
            "/v1/completions": self.server.complete,
            "/v1/load_lora_adapter": self.server.load,
            "/v1/unload_lora_adapter": self.unload,
        }
        self.answer(body, what[self.path])

    def unload(self, body):
        self.server.adapters.pop(body["lora_name"])
        return {}, 200

    def answer(self, body, act):
        server = self.server
        server.asked.append((self.path, body))
        key = self.headers["Authorization"]
        if server.key is not None and self.path != "/health" and key != f"Bearer {server.key}":
            self.say(json.dumps({"error": "Unauthorized"}).encode(), 401)
            return
        fault = server.fault(self.path, body)
        if fault == "hang":
            server.released.wait(20)
        elif fault == "hang up":
            self.close_connection = True
        elif isinstance(fault, int):
            self.say(b'{"error": {"message": "out of order", "code": 1}}', fault)
        elif isinstance(fault, bytes):
            self.say(fault, 200)
        else:
            told, code = act(body)
            self.say(json.dumps(told).encode(), code)

    def say(self, body, code):
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        pass


@contextmanager
def stub_server(chat: ChatModel | None, **settings):
    """Yield a stub that is there inside the block."""
    server = Stub(chat, **settings)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


FAKE_PYTHON = '''#!{python}
"""Stands for the interpreter of an environment with vLLM."""
import os, signal, subprocess, sys, time

mode, record = {mode!r}, {record!r}
if sys.argv[1] == "-c":
    sys.exit(3 if mode == "no vllm" else "ImportError: broken" if mode == "broken" else 0)
assert sys.argv[1:4] == ["-m", "vllm.entrypoints.cli.main", "serve"], sys.argv
child = subprocess.Popen(["sleep", "600"])
with open(record, "w") as stream:
    names = ("PYTHONPATH", "VLLM_API_KEY", "EXTRA")
    print(os.getpid(), child.pid, file=stream)
    print([os.environ.get(name) for name in names], file=stream)
    print(sys.argv[4:], file=stream)
if mode == "dies":
    print("INFO starting")
    print("(Worker pid=1) ERROR RuntimeError: there is no GPU")
    print("(EngineCore pid=2)     raise RuntimeError(")
    print("(EngineCore pid=2) ERROR RuntimeError: there is no GPU")
    print("(APIServer pid=3) ERROR EngineDeadError: see above", flush=True)
    sys.exit(1)
if mode == "hangs":
    time.sleep(600)
port = int(sys.argv[sys.argv.index("--port") + 1])
if mode == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if mode in ("serves", "stubborn"):  # nothing but that it is there
    from http.server import BaseHTTPRequestHandler, HTTPServer

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()

    HTTPServer(("127.0.0.1", port), Handler).serve_forever()
sys.path[:0] = {path!r}
from undertow.models import ModelSpec, load_model
from vllm_stub import Stub

dtype = sys.argv[sys.argv.index("--dtype") + 1]
chat = load_model(ModelSpec(name=sys.argv[4], device="cpu", dtype=dtype))
Stub(chat, port, os.environ["VLLM_API_KEY"]).serve_forever()
'''


def fake_python(folder, mode):
    """Write an interpreter that does as the mode says; return it and where it says what it got."""
    tests = Path(__file__).parent
    source = Path(undertow.__file__).parents[1]
    script, record = folder / "python", folder / "record"
    text = FAKE_PYTHON.format(
        python=sys.executable, mode=mode, record=str(record), path=[str(source), str(tests)]
    )
    script.write_text(text)
    script.chmod(0o755)
    return script, record


def is_running(pid):
    """Return whether a process is there; one that nobody has fetched yet is not."""
    try:
        with open(f"/proc/{pid}/stat") as stream:
            return stream.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(true):
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)

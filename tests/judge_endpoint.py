"""An OpenAI-compatible endpoint on loopback that replies as a test has it."""

import json
import threading
from collections.abc import Callable
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Reply = bytes | int | None
"""The body of a response, the code of a refusal, or none: the endpoint hangs."""


def completion(content) -> bytes:
    """Return the body of a chat completion."""
    return json.dumps({"choices": [{"message": {"content": content}}]}).encode()


def prompt_of(body) -> str:
    """Return what a request asks."""
    return body["messages"][0]["content"]


class Endpoint(ThreadingHTTPServer):
    """Remembers requests; where there is a barrier, they wait for each other at it."""

    daemon_threads = True

    def __init__(self, reply: Callable[[dict], Reply]):
        super().__init__(("127.0.0.1", 0), Handler)
        self.reply = reply
        self.released = threading.Event()
        self.bodies, self.headers, self.paths = [], [], []
        self.barrier = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.bodies.append(body)
        self.server.headers.append(self.headers)
        self.server.paths.append(self.path)
        if self.server.barrier is not None:
            self.server.barrier.wait(10)
        reply = self.server.reply(body)
        if reply is None:
            self.server.released.wait(10)
        elif isinstance(reply, int):
            self.send_error(reply)
        else:
            self.send_response(200)
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

    def log_message(self, format, *args):
        pass


@contextmanager
def serving(reply: Callable[[dict], Reply]):
    """Yield an endpoint that is there inside the block."""
    server = Endpoint(reply)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        thread.join()
        server.server_close()

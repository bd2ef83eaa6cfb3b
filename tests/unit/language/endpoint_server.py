"""A small OpenAI-compatible server on this machine whose answers a test scripts, one step per request."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Step = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Keeps each request and lets the next step of the script answer it; the last step answers all that follow."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.path, dict(self.headers), json.loads(body)))
        step = min(len(self.server.requests), len(self.server.script)) - 1
        self.close_connection = True
        try:
            self.server.script[step](self)
        except OSError:
            self.server.broken_off.set()

    def log_message(self, *_: object) -> None:
        """Tests print nothing."""

    def head(self, status: int, kind: str = "application/json", **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Connection", "close")
        self.end_headers()

    def send(self, data: bytes) -> None:
        self.wfile.write(data)
        self.wfile.flush()


class Server(ThreadingHTTPServer):
    """The server with its script and what it was asked."""

    daemon_threads = True

    def __init__(self, script: list[Step]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script = script
        self.requests: list[tuple[str, dict[str, str], dict]] = []
        self.broken_off = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def asked(self, index: int = -1) -> str:
        """The text of a request."""
        return self.requests[index][2]["messages"][-1]["content"][-1]["text"]

    def pictures(self, index: int = -1) -> list[str]:
        """The data URLs of a request's pictures."""
        content = self.requests[index][2]["messages"][-1]["content"]
        return [part["image_url"]["url"] for part in content if part["type"] == "image_url"]


@contextmanager
def serving(*script: Step) -> Iterator[Server]:
    """Run a server while the body of the ``with`` runs."""
    server = Server(list(script))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def whole(text: str, *, reason: str = "stop", tokens: int = 7) -> Step:
    """An answer in one piece."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": reason}
    return plain(200, {"choices": [choice], "usage": {"completion_tokens": tokens}})


def plain(status: int, value: object, **headers: str) -> Step:
    """Any JSON, or bytes as they are."""

    def step(handler: Handler) -> None:
        handler.head(status, **headers)
        handler.send(value if isinstance(value, bytes) else json.dumps(value).encode())

    return step


def delta(text: str | None, reason: str | None = None) -> bytes:
    """One event of a stream."""
    value = {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": reason}]}
    return b"data: " + json.dumps(value).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


def streamed(*parts: bytes | float) -> Step:
    """Events as given; numbers are pauses in seconds."""

    def step(handler: Handler) -> None:
        handler.head(200, "text/event-stream; charset=utf-8")
        for part in parts:
            if isinstance(part, bytes):
                handler.send(part)
            else:
                time.sleep(part)

    return step


def answers(*pieces: str) -> Step:
    """A whole stream with these pieces of text."""
    return streamed(b": hello\n\n", *(delta(piece) for piece in pieces), delta(None, "stop"), DONE)


def silence(seconds: float) -> Step:
    """Nothing for a while, then nothing."""
    return lambda _handler: time.sleep(seconds)

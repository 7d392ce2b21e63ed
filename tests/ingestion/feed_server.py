"""A real HTTP server on 127.0.0.1 that answers as feeds and APIs do, faults included.

Each path gets a list of answers: the first request takes the first, the last one stays. Every
request is recorded with its headers.
"""

import gzip
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Request:
    """What a client asked."""

    path: str
    query: dict[str, list[str]]
    headers: Message
    method: str = "GET"
    body: bytes = b""


class Exchange(BaseHTTPRequestHandler):
    """One request, to be answered by the next answer of its path."""

    protocol_version = "HTTP/1.1"
    server: "_Server"

    asked: Request
    """What is being answered."""

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = Request(address.path, parse_qs(address.query), self.headers, self.command, body)
        self.asked = request
        self.server.feeds.take(request)(self)

    do_POST = do_DELETE = do_GET  # noqa: N815  the base's names

    def start(self, status: int, headers: dict[str, str], length: int | None = 0) -> None:
        """Send the status line and the headers; no length: the connection's end is the body's."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if length is None:
            self.close_connection = True
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def pause(self, seconds: float) -> bool:
        """Wait, and say whether the server goes on (False: it is being stopped)."""
        return not self.server.feeds.stopping.wait(seconds)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base's name
        pass


Answer = Callable[[Exchange], None]


@dataclass
class FeedServer:
    """What the server answers, and what it was asked."""

    base: str = ""
    requests: list[Request] = field(default_factory=list)
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    stopping: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def serve(self, path: str, *answers: Answer) -> str:
        """Answer `path` so from now on; gives its address."""
        self.answers[path] = list(answers)
        return self.base + path

    def take(self, request: Request) -> Answer:
        with self.lock:
            self.requests.append(request)
            waiting = self.answers.get(request.path, [status(404)])
            return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    def asked(self, path: str) -> list[Request]:
        """The requests for `path` so far."""
        return [request for request in self.requests if request.path == path]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, feeds: FeedServer) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self.feeds = feeds
        feeds.base = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Print what went wrong here; a client that hung up had enough, as many tests want."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


@contextmanager
def feed_server() -> Iterator[FeedServer]:
    """Run the server for a while."""
    feeds = FeedServer()
    with _Server(feeds) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield feeds
        finally:
            feeds.stopping.set()
            server.shutdown()
            thread.join()


def feed(body: bytes, content_type: str = "application/rss+xml", **validators: str) -> Answer:
    """200 with the body; 304 when the request names its `etag` or `last_modified`."""
    headers = {name.replace("_", "-"): value for name, value in validators.items()}

    def answer(exchange: Exchange) -> None:
        known = {exchange.headers.get("If-None-Match"), exchange.headers.get("If-Modified-Since")}
        if known & set(headers.values()):
            exchange.start(304, headers)
        else:
            exchange.start(200, {"Content-Type": content_type, **headers}, len(body))
            exchange.wfile.write(body)

    return answer


def status(code: int, body: bytes = b"", **headers: str) -> Answer:
    """That status, for instance 429 with `Retry_After="1"` or 302 with `Location`."""

    def answer(exchange: Exchange) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        exchange.start(code, named, len(body))
        exchange.wfile.write(body)

    return answer


def silent(exchange: Exchange) -> None:
    """Takes the request and never answers."""
    while exchange.pause(1):
        pass
    exchange.close_connection = True


def trickling(body: bytes) -> Answer:
    """The body, byte by byte: no single read times out, the whole takes for ever."""

    def answer(exchange: Exchange) -> None:
        exchange.start(200, {"Content-Type": "application/rss+xml"}, len(body))
        for at in range(len(body)):
            exchange.wfile.write(body[at : at + 1])
            if not exchange.pause(0.05):
                return

    return answer


def cut(body: bytes) -> Answer:
    """Promises the whole body and resets the connection half way."""

    def answer(exchange: Exchange) -> None:
        exchange.start(200, {"Content-Type": "application/rss+xml"}, len(body))
        exchange.wfile.write(body[: len(body) // 2])
        exchange.connection.shutdown(socket.SHUT_RDWR)
        exchange.close_connection = True

    return answer


def endless(exchange: Exchange) -> None:
    """A body that does not end."""
    exchange.start(200, {"Content-Type": "application/rss+xml"}, None)
    while exchange.pause(0):
        exchange.wfile.write(b"<item><title>more</title></item>" * 2_000)


def gzipped(body: bytes, layers: int = 1) -> Answer:
    """The body, compressed as often as said."""
    for _ in range(layers):
        body = gzip.compress(body)
    return status(200, body, Content_Encoding=", ".join(["gzip"] * layers))

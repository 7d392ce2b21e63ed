"""A real HTTP server on 127.0.0.1 that speaks the chat-completions shape, wrong answers included.

The first request takes the first answer, the last one stays. Every request is recorded.
"""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Asked:
    """One request to the chat."""

    path: str
    headers: Message
    body: dict[str, Any]

    @property
    def posts(self) -> list[dict[str, Any]]:
        """What the user's message holds."""
        posts: list[dict[str, Any]] = json.loads(self.body["messages"][1]["content"])
        return posts


class Exchange(BaseHTTPRequestHandler):
    """One request, to be answered by the next answer."""

    protocol_version = "HTTP/1.1"
    server: "_Server"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        asked = Asked(self.path, self.headers, body)
        answer = self.server.chat.take(asked)
        try:
            answer(self, asked)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client had enough

    def send(self, status: int, body: bytes, **headers: str) -> None:
        """A whole response."""
        self.send_response(status)
        for name, value in ({"Content_Type": "application/json"} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base's name
        pass


Answer = Callable[[Exchange, Asked], None]


@dataclass
class Chat:
    """What the server answers, and what it was asked."""

    url: str = ""
    answers: list[Answer] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, asked: Asked) -> Answer:
        with self.lock:
            self.asked.append(asked)
            return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, chat: Chat) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self.chat = chat
        chat.url = f"http://127.0.0.1:{self.server_port}/v1"


@contextmanager
def chat_server() -> Iterator[Chat]:
    """Run the server for a while; it labels well until told otherwise."""
    chat = Chat(answers=[labels])
    with _Server(chat) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield chat
        finally:
            chat.stopping.set()
            server.shutdown()
            thread.join()


def completion(content: str | None, tokens: int = 100, **changes: Any) -> bytes:
    """A chat completion whose message is `content`; `changes` are of its only choice."""
    message = {"role": "assistant", "content": content, "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": "stop"} | changes
    usage = {"prompt_tokens": tokens - 10, "completion_tokens": 10, "total_tokens": tokens}
    return json.dumps(
        {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "usage": usage,
         "choices": [choice]}
    ).encode()  # fmt: skip


def moods(posts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Labels by a word of each text, as a good model would give them."""
    emotions = {"glad": "joy", "afraid": "fear", "furious": "anger"}
    found = [next((e for w, e in emotions.items() if w in post["text"]), None) for post in posts]
    tones = {"joy": "positive", None: "neutral"}
    return [
        {"n": post["n"], "emotion": emotion, "sentiment": tones.get(emotion, "negative")}
        for post, emotion in zip(posts, found, strict=True)
    ]


def labels(exchange: Exchange, asked: Asked) -> None:
    """Every text gets its labels."""
    exchange.send(200, completion(json.dumps({"answers": moods(asked.posts)})))


def spoilt(spoil: Callable[[list[dict[str, Any]]], object]) -> Answer:
    """The labels, spoilt: `spoil` gives what takes the place of the list."""

    def answer(exchange: Exchange, asked: Asked) -> None:
        content = json.dumps({"answers": spoil(moods(asked.posts))})
        exchange.send(200, completion(content))

    return answer


def says(content: str | None, **changes: Any) -> Answer:
    """That message, whatever was asked."""
    return lambda exchange, _: exchange.send(200, completion(content, **changes))


def status(code: int, body: bytes = b'{"error": {"message": "no"}}', **headers: str) -> Answer:
    """That status."""
    return lambda exchange, _: exchange.send(code, body, **headers)


def silent(exchange: Exchange, asked: Asked) -> None:
    """Takes the request and never answers."""
    exchange.server.chat.stopping.wait(60)
    exchange.close_connection = True


def cut(exchange: Exchange, asked: Asked) -> None:
    """Resets the connection in the middle of the answer."""
    exchange.send_response(200)
    exchange.send_header("Content-Length", "5000")
    exchange.end_headers()
    exchange.wfile.write(b'{"choices": [')
    exchange.connection.shutdown(socket.SHUT_RDWR)
    exchange.close_connection = True


def without_schemas(exchange: Exchange, asked: Asked) -> None:
    """Refuses a request that wants a schema held, as some models of a provider do."""
    if "response_format" in asked.body:
        status(400)(exchange, asked)
    else:
        labels(exchange, asked)

"""A real WebSocket server on 127.0.0.1 that speaks Jetstream's `/subscribe`, faults included.

It keeps what was written and plays it again from a cursor, as the real one does. Each connection is
served by the next of `answers`; once there are none left, as the protocol says.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

POSTS = "app.bsky.feed.post"
START_US = 1_772_000_000_000_000
"""When the first of the invented posts was seen."""
ANN = "did:plc:annannannannannannannann"


def message(number: int, **changed: Any) -> dict[str, Any]:
    """A message of any kind, a second after the one with the number before."""
    return {"did": ANN, "time_us": START_US + number * 1_000_000, **changed}


def commit(number: int, operation: str = "create", **changed: Any) -> dict[str, Any]:
    body = {"rev": "3l3f6nzl3cv2s", "operation": operation, "collection": POSTS,
            "rkey": f"3k{number:011d}", **changed}  # fmt: skip
    return message(number, kind="commit", commit=body)


def created(number: int, text: str, **record: Any) -> dict[str, Any]:
    """A new post."""
    told = {"$type": POSTS, "text": text, "createdAt": "2026-02-25T06:13:10.123Z", "langs": ["en"]}
    return commit(number, record=told | record, cid="bafyreidwaivazkwu67xztlmuobx35hs2lnfh3kolmg")


@dataclass(frozen=True)
class Refusal:
    """An HTTP status in place of a connection."""

    status: int
    headers: dict[str, str] | Headers = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """What a client asked for with one connection."""

    query: dict[str, list[str]]
    headers: Headers

    @property
    def cursor(self) -> int | None:
        return int(self.query["cursor"][0]) if "cursor" in self.query else None


Session = Callable[["JetstreamServer", ServerConnection], Awaitable[None]]


@dataclass
class JetstreamServer:
    """What it has to send, and what it was asked."""

    url: str = ""
    kept: list[bytes | dict[str, Any]] = field(default_factory=list)
    answers: list[Refusal | Session] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    written: asyncio.Condition = field(default_factory=asyncio.Condition)
    sessions: dict[ServerConnection, Session] = field(default_factory=dict)
    live_from: dict[ServerConnection, int] = field(default_factory=dict)
    """How much was kept when a connection began."""

    async def write(self, *messages: bytes | dict[str, Any]) -> None:
        """Somebody writes on Bluesky; bytes are sent to all as they are."""
        async with self.written:
            self.kept += messages
            self.written.notify_all()

    async def is_asked(self, times: int) -> None:
        """Return once so many connections have been asked for."""
        async with asyncio.timeout(10):
            while len(self.asked) < times:  # noqa: ASYNC110  the handshake is no coroutine
                await asyncio.sleep(0.01)

    def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        address = urlsplit(request.path)
        if address.path != "/subscribe":
            return connection.respond(404, "not found\n")
        self.asked.append(Asked(parse_qs(address.query), request.headers))
        answer = self.answers.pop(0) if self.answers else protocol
        if isinstance(answer, Refusal):
            response = connection.respond(answer.status, "secret words of the peer\n")
            response.headers.update(answer.headers)
            return response
        self.sessions[connection], self.live_from[connection] = answer, len(self.kept)
        return None

    async def session(self, connection: ServerConnection) -> None:
        serving = asyncio.create_task(self.sessions[connection](self, connection))
        await asyncio.wait(
            {serving, asyncio.create_task(connection.wait_closed())},
            return_when=asyncio.FIRST_COMPLETED,
        )
        serving.cancel()
        with contextlib.suppress(ConnectionClosed, asyncio.CancelledError):
            await serving


async def protocol(server: JetstreamServer, connection: ServerConnection) -> None:
    """Send what is kept from the cursor on, then what is written."""
    assert connection.request is not None
    asked = Asked(parse_qs(urlsplit(connection.request.path).query), connection.request.headers)
    collections = asked.query.get("wantedCollections", [])
    most = int(asked.query.get("maxMessageSizeBytes", ["0"])[0])
    at = 0 if asked.cursor is not None else server.live_from[connection]
    while True:
        for each in server.kept[at:]:
            content = each if isinstance(each, bytes) else orjson.dumps(each)
            if isinstance(each, dict):
                is_old = asked.cursor is not None and each["time_us"] < asked.cursor
                about = each.get("commit", {}).get("collection")
                if is_old or (about and about not in collections) or 0 < most < len(content):
                    continue
            await connection.send(content, text=True)
        at = len(server.kept)
        async with server.written:
            await server.written.wait_for(lambda at=at: len(server.kept) > at)


@asynccontextmanager
async def jetstream_server(port: int = 0, **serving: Any) -> AsyncIterator[JetstreamServer]:
    """Run the server for a while; `serving` goes to `websockets.serve`."""
    server = JetstreamServer()
    async with serve(
        server.session, "127.0.0.1", port, process_request=server.answer, **serving
    ) as listening:
        port = listening.sockets[0].getsockname()[1]
        scheme = "wss" if "ssl" in serving else "ws"
        server.url = f"{scheme}://127.0.0.1:{port}/subscribe"
        yield server

"""What servers and networks do to the bluesky source: each fault is told once, and nothing lost."""

import asyncio
import socket
import ssl
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers

from barometer.errors import SourceError
from ingestion.bluesky.live import BlueskyStream
from tests.ingestion.bluesky_reading import END, HARBOUR, read, stream
from tests.ingestion.jetstream_server import (
    START_US,
    JetstreamServer,
    Refusal,
    Session,
    created,
    jetstream_server,
)
from tests.tls import certificate

FIRST = created(0, "harbour 0")


def after_the_first(then: Session) -> Session:
    """Send one post, and then that."""

    async def session(server: JetstreamServer, connection: ServerConnection) -> None:
        await connection.send(orjson.dumps(FIRST), text=True)
        await then(server, connection)

    return session


async def cut(_: JetstreamServer, connection: ServerConnection) -> None:
    connection.transport.write(b"\x81\x7e\x03\xe8" + b'{"half of a thousand bytes' * 20)
    await asyncio.sleep(0.05)
    connection.transport.abort()


async def silent(_: JetstreamServer, connection: ServerConnection) -> None:
    """Pings are not read, so there is no pong; the connection stands."""
    connection.transport.pause_reading()  # type: ignore[attr-defined]
    await asyncio.sleep(0.4)
    connection.transport.abort()


async def huge(_: JetstreamServer, connection: ServerConnection) -> None:
    await connection.send(b"x" * 200_001, text=True)
    await connection.wait_closed()


async def garbage(_: JetstreamServer, connection: ServerConnection) -> None:
    connection.transport.write(b"HTTP/1.1 502 Bad Gateway\r\n\r\n" * 9)
    await connection.wait_closed()


def closing(code: int) -> Session:
    async def session(_: JetstreamServer, connection: ServerConnection) -> None:
        await connection.close(code, "secret words of the peer")

    return after_the_first(session)


FAULTS: dict[str, tuple[Refusal | Session, str]] = {
    "401": (Refusal(401), "answered 401"),
    "403": (Refusal(403), "answered 403"),
    "404": (Refusal(404), "answered 404: see BAROMETER_BLUESKY_URL"),
    "429 with Retry-After": (
        Refusal(429, {"Retry-After": "120"}),
        "answered 429 and is left alone",
    ),
    "429 without": (Refusal(429), "answered 429 and is left alone"),
    "500": (Refusal(500), "answered 500"),
    "503 with Retry-After": (Refusal(503, {"Retry-After": "120"}), "answered 503 and is left"),
    "no upgrade": (Refusal(200), "answered 200"),
    "redirected to http": (Refusal(302, {"Location": "ftp://x/"}), "is no address of a WebSocket"),
    "cut": (after_the_first(cut), "broke off the connection"),
    "silent": (after_the_first(silent), "did not answer a ping within 0.1 s"),
    "huge": (after_the_first(huge), "200,000 bytes at once (BAROMETER_SOURCE_MAX_BYTES)"),
    "garbage": (after_the_first(garbage), "broke the rules of WebSocket (code 1002)"),
    "1000": (closing(1000), "closed the connection (code 1000)"),
    "1001": (closing(1001), "closed the connection (code 1001)"),
    "1008": (closing(1008), "closed the connection (code 1008)"),
    "1011": (closing(1011), "closed the connection (code 1011)"),
}


async def until_fault(source: BlueskyStream, position: dict[str, Any]) -> tuple[int, SourceError]:
    """How many posts came before the fault, and the fault."""
    posts = 0
    async with asyncio.timeout(5), aclosing(source.follow(lambda: (HARBOUR,), position)) as coming:
        try:
            async for _ in coming:
                posts += 1
        except SourceError as error:
            return posts, error
    raise AssertionError


@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_is_told_and_nothing_is_lost(jetstream: JetstreamServer, name: str) -> None:
    fault, reason = FAULTS[name]
    jetstream.answers.append(fault)
    jetstream.url += "?key=s3cret"
    position: dict[str, Any] = {"cursor": START_US}
    source = stream(jetstream, ping_s=0.1)
    posts, error = await until_fault(source, position)
    assert str(error).startswith("bluesky: 127.0.0.1 ")
    assert reason in str(error)
    assert "secret" not in str(error)
    assert "s3cret" not in str(error)
    assert position == {"cursor": START_US}, "the first post was seen then, too"
    assert posts == (0 if isinstance(fault, Refusal) else 1)
    await jetstream.write(FIRST, created(1, "harbour 1"), END)
    assert [post.text for post in await read(source, position)] == ["harbour 0", "harbour 1"]


@pytest.mark.parametrize(
    ("refusal", "seconds"),
    [
        (Refusal(429, {"Retry-After": "120"}), 120),
        (Refusal(503, {"Retry-After": "9" * 50}), 24 * 3_600),
        (Refusal(429, {"Retry-After": "soon"}), 60),
        (Refusal(429, Headers([("Retry-After", "120")] * 2)), 120),
        (Refusal(429), 60),
        (Refusal(503), None),
    ],
)
async def test_a_server_that_wants_a_pause_says_for_how_long(
    jetstream: JetstreamServer, refusal: Refusal, seconds: int | None
) -> None:
    jetstream.answers.append(refusal)
    _, error = await until_fault(stream(jetstream), {})
    if seconds is None:
        assert error.until is None
    else:
        assert error.until
        left = error.until - datetime.now(UTC)
        assert timedelta(seconds=seconds - 5) < left <= timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ws://127.0.0.1:1/subscribe", "127.0.0.1 cannot be reached"),
        ("ws://127.0.0.1:99999/subscribe", "127.0.0.1 is no address"),
        ("ws:///subscribe", "an address without a host is no address"),
        ("ws://s3cret@/subscribe", "is no address"),
        ("ws://nowhere.invalid/subscribe", "nowhere.invalid cannot be reached"),
        ("ws://a..b/subscribe", "a..b"),
    ],
)
async def test_an_address_that_leads_nowhere(
    jetstream: JetstreamServer, url: str, reason: str
) -> None:
    jetstream.url = url
    _, error = await until_fault(stream(jetstream), {})
    assert reason in str(error)
    assert "s3cret" not in str(error)


async def test_a_server_that_accepts_and_says_nothing(jetstream: JetstreamServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        jetstream.url = f"ws://127.0.0.1:{mute.getsockname()[1]}/subscribe"
        _, error = await until_fault(stream(jetstream, timeout_s=0.2), {})
    assert "did not answer within 0.2 s" in str(error)


async def test_a_server_that_speaks_no_websocket(jetstream: JetstreamServer) -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as mail:
        jetstream.url = f"ws://127.0.0.1:{mail.sockets[0].getsockname()[1]}/subscribe"
        _, error = await until_fault(stream(jetstream), {})
    assert "does not speak WebSocket" in str(error)


async def test_tls_that_is_none(jetstream: JetstreamServer) -> None:
    jetstream.url = jetstream.url.replace("ws:", "wss:")
    _, error = await until_fault(stream(jetstream), {})
    assert "127.0.0.1 cannot be reached" in str(error)


async def test_tls_is_verified(
    jetstream: JetstreamServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusted, key = certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(trusted, key)
    async with jetstream_server(ssl=context) as secure:
        await secure.write(END)
        _, error = await until_fault(stream(secure), {"cursor": START_US})
        assert "127.0.0.1 cannot be reached" in str(error)
        assert secure.asked == []
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        assert await read(stream(secure), {"cursor": START_US}) == []

"""How fast the bluesky source reads: messages a second on one core, and how far it falls behind.

    python -m benchmarks.jetstream
    python -m benchmarks.jetstream --events 200 --messages 100000

A server process of its own sends invented messages of Jetstream's shape over a WebSocket: as fast
as they are taken, then at fixed rates. The source reads them on one core, for events whose keywords
are in one of a hundred texts. `µs each` is the source's own processor time for a message, all of
it: WebSocket, JSON, keywords and posts. `lag` is the time from the sending of a message to the post
that it brings, in milliseconds; `end` is the last one's.
"""

import argparse
import asyncio
import multiprocessing
import os
import random
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from typing import Any, Final

import orjson
from websockets.asyncio.server import ServerConnection, serve

from barometer.console import print_table
from barometer.events import Event
from benchmarks.synthetic import WEIGHTS, WORDS
from ingestion.bluesky.live import BlueskyStream
from ingestion.bluesky.messages import COLLECTION

RATES: Final = (0, 2_000, 5_000)
"""Messages a second that the server sends; 0: as fast as they are taken."""
KEYWORDS_OF_AN_EVENT: Final = 3
MENTIONING: Final = 100
"""One text in so many mentions an event."""
TOGETHER: Final = 20
"""Messages that the server sends before it rests, at a fixed rate."""
CID: Final = "bafyreidc6sydkkbchcyg62v77wbhzvb2mvytlmsychqgwf2xojjtirmzj4"
LAST: Final = "the end of the benchmark"


@dataclass(frozen=True)
class Measured:
    """What reading one run of messages took."""

    messages: int
    posts: int
    seconds: float
    processor_s: float
    lags_s: Sequence[float]
    """Of the posts, in order of their reading."""


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter,
                                     description=__doc__)  # fmt: skip
    parser.add_argument("--messages", type=int, default=40_000, help="sent at each rate")
    parser.add_argument("--events", type=int, default=20, help="tracked, of 3 keywords each")
    chosen = parser.parse_args()
    events = invented_events(chosen.events)
    texts = [word for event in events for word in event.keywords]
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    server = context.Process(target=_serve, args=(theirs, chosen.messages, texts), daemon=True)
    server.start()
    url, size = ours.recv()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    rows = []
    for rate in RATES:
        ours.send(rate)
        ours.recv()
        took = asyncio.run(_follow(url, events, chosen.messages))
        lags = sorted(1_000 * lag for lag in took.lags_s)
        rows.append(
            (
                f"{rate:,}" if rate else "full speed",
                f"{took.messages / took.seconds:,.0f}",
                f"{took.posts:,}",
                f"{1e6 * took.processor_s / took.messages:.1f}",
                f"{took.processor_s / took.seconds:.0%}",
                *(f"{lag:.1f}" if rate else "" for lag in _told(lags, took.lags_s[-1])),
            )
        )
    server.terminate()
    title = f"{chosen.messages:,} messages of {size} bytes, {chosen.events} events, one core"
    columns = ("sent/s", "read/s", "posts", "µs each", "of a core", "lag p50 ms", "p99", "end")
    print_table(title, columns, rows)


def _told(lags: Sequence[float], last_s: float) -> tuple[float, float, float]:
    """Of lags in milliseconds: the median, the 99th percentile, and the last."""
    return lags[len(lags) // 2], lags[int(len(lags) * 0.99)], 1_000 * last_s


def invented_events(count: int) -> tuple[Event, ...]:
    """Events of made-up words, asking for Bluesky."""
    dice = random.Random(5)  # noqa: S311 - words, not secrets
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    return tuple(
        Event(
            slug=f"event-{number}",
            title=f"Event {number}",
            keywords=tuple(
                " ".join(dice.choice(WORDS) + dice.choice(WORDS) for _ in range(each % 2 + 1))
                for each in range(KEYWORDS_OF_AN_EVENT)
            ),
            sources=("bluesky",),
            created_at=long_ago,
        )
        for number in range(count)
    )


async def _follow(url: str, events: tuple[Event, ...], messages: int) -> Measured:
    source = BlueskyStream(url, timeout_s=10.0, max_bytes=10_000_000)
    asking = (*events, Event(slug="end", title="End", keywords=(LAST,)))
    position: dict[str, Any] = {}
    lags: list[float] = []
    began = used = 0.0
    async with aclosing(source.follow(lambda: asking, position)) as following:
        async for post in following:
            now = time.time()
            if not began:  # the server sends one first, so that connecting does not count
                began, used = time.perf_counter(), time.process_time()
                continue
            if post.text == LAST:
                break
            lags.append(now - post.created_at.timestamp())
    took = time.perf_counter() - began
    return Measured(messages, len(lags), took, time.process_time() - used, lags)


def _serve(pipe: Connection, count: int, keywords: list[str]) -> None:
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    asyncio.run(_send(pipe, count, keywords))


async def _send(pipe: Connection, count: int, keywords: list[str]) -> None:
    messages = invented_messages(count, keywords)
    frame = _message(LAST, random.Random(1))  # noqa: S311 - a post, no secret
    rate = 0

    def now(before: bytes, after: bytes) -> bytes:
        return b"%b%d%b" % (before, time.time_ns() // 1_000, after)

    async def session(connection: ServerConnection) -> None:
        await connection.send(now(*frame), text=True)
        began = time.perf_counter()
        for number, (before, after) in enumerate(messages):
            if number % TOGETHER == 0 and rate:
                await asyncio.sleep(began + number / rate - time.perf_counter())
            await connection.send(now(before, after), text=True)
        await connection.send(now(*frame), text=True)
        await connection.wait_closed()

    async with serve(session, "127.0.0.1", 0, compression=None) as server:
        port = server.sockets[0].getsockname()[1]
        size = sum(len(before) + 16 + len(after) for before, after in messages) // count
        pipe.send((f"ws://127.0.0.1:{port}/subscribe", size))
        while True:
            rate = await asyncio.to_thread(pipe.recv)
            pipe.send(rate)


def invented_messages(count: int, keywords: Sequence[str]) -> list[tuple[bytes, bytes]]:
    """Messages of new posts, each cut in two where its time belongs."""
    dice = random.Random(7)  # noqa: S311 - posts, not secrets
    return [_message(_text(number, keywords, dice), dice) for number in range(count)]


def _text(number: int, keywords: Sequence[str], dice: random.Random) -> str:
    words = dice.choices(WORDS, cum_weights=WEIGHTS, k=dice.randint(2, 45))
    if number % MENTIONING == 0:
        words.insert(dice.randrange(len(words)), dice.choice(keywords))
    return " ".join(words)


def _message(text: str, dice: random.Random) -> tuple[bytes, bytes]:
    did = f"did:plc:{dice.getrandbits(96):024x}"
    # A time that cannot be: the source takes the server's instead, and the lag can be told.
    record: dict[str, Any] = {"$type": COLLECTION, "createdAt": "2024-09-09T19:46:02.102Z",
                              "langs": ["en"], "text": text}  # fmt: skip
    if dice.random() < 0.5:
        parent = {"cid": CID, "uri": f"at://{did}/{COLLECTION}/3l3pte3p2e325"}
        record["reply"] = {"parent": parent, "root": parent}
    if dice.random() < 0.3:
        image = {"$type": "blob", "ref": {"$link": CID}, "mimeType": "image/jpeg", "size": 345_678}
        shown = {"alt": text[:80], "aspectRatio": {"height": 800, "width": 600}, "image": image}
        record["embed"] = {"$type": "app.bsky.embed.images", "images": [shown]}
    commit = {"rev": "3l3qo2vutsw2b", "operation": "create", "collection": COLLECTION,
              "rkey": f"3l{dice.getrandbits(44):011x}", "record": record, "cid": CID}  # fmt: skip
    return (
        b'{"did":"%b","time_us":' % did.encode(),
        b',"kind":"commit","commit":%b}' % orjson.dumps(commit),
    )


if __name__ == "__main__":
    main()

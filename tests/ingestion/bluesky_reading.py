"""How the tests read the bluesky source: through its public class, as the follower does."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

from barometer.events import Event
from barometer.posts import Post
from ingestion.bluesky.live import BlueskyStream
from tests.ingestion.jetstream_server import JetstreamServer, created

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
HARBOUR = Event(slug="harbour", title="Harbour", keywords=("harbour", "night bus"),
                sources=("bluesky",), created_at=LONG_AGO)  # fmt: skip
END = created(999, "the harbour sleeps")
"""What the tests write last, to know that all before it has been seen."""


def stream(server: JetstreamServer, **given: Any) -> BlueskyStream:
    return BlueskyStream(
        server.url, **{"timeout_s": 2.0, "max_bytes": 200_000, "ping_s": 20.0, **given}
    )


async def read(
    source: BlueskyStream,
    position: dict[str, Any],
    events: Sequence[Event] = (HARBOUR,),
    end: dict[str, Any] = END,
) -> list[Post]:
    """The posts up to the one of `end`, which is asked beyond."""
    posts: list[Post] = []
    last = end["commit"]["rkey"]
    async with asyncio.timeout(5), aclosing(source.follow(lambda: events, position)) as following:
        async for post in following:
            if post.id.endswith(last):
                break
            posts.append(post)
    return posts

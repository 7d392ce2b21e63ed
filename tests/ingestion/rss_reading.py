"""How the tests read the rss source: through its public class, as the ingest flow does."""

from collections.abc import Sequence
from typing import Any

import pytest

from barometer.errors import SourceError
from barometer.events import Event
from barometer.posts import Post
from ingestion.feeds.rss import RssSource

EVENT = Event(slug="harbour", title="Harbour", keywords=("harbour",))
MAX_BYTES = 100_000


def rss_source(
    *feeds: str, search_url: str | None = None, timeout_s: float = 2.0, max_bytes: int = MAX_BYTES
) -> RssSource:
    return RssSource(feeds=feeds, search_url=search_url, timeout_s=timeout_s, max_bytes=max_bytes)


async def read(
    source: RssSource, position: dict[str, Any] | None = None, event: Event = EVENT
) -> list[Post]:
    return [post async for post in source.read(event, {} if position is None else position)]


async def read_until_fault(
    source: RssSource, position: dict[str, Any] | None = None
) -> tuple[list[Post], str]:
    """The posts that came before the fault, and its message."""
    posts: list[Post] = []

    async def collect() -> None:
        async for post in source.read(EVENT, {} if position is None else position):
            posts.append(post)  # noqa: PERF401  a comprehension would lose them

    with pytest.raises(SourceError) as caught:
        await collect()
    return posts, str(caught.value)


def texts(posts: Sequence[Post]) -> list[str]:
    return [post.text for post in posts]

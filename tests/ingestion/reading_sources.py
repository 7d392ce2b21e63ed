"""How the tests read a source: through its public methods, as the ingest flow does."""

from typing import Any

import pytest

from barometer.errors import SourceError
from barometer.events import Event
from barometer.posts import Post
from ingestion.source import Source

EVENT = Event(slug="harbour", title="Harbour", keywords=("harbour",))


async def read(source: Source, position: dict[str, Any], event: Event = EVENT) -> list[Post]:
    return [post async for post in source.read(event, position)]


async def read_until_fault(
    source: Source, position: dict[str, Any], event: Event = EVENT
) -> tuple[list[Post], SourceError]:
    """The posts that came before the fault, and the fault."""
    posts: list[Post] = []

    async def collect() -> None:
        async for post in source.read(event, position):
            posts.append(post)  # noqa: PERF401  a comprehension would lose them

    with pytest.raises(SourceError) as caught:
        await collect()
    return posts, caught.value


def ids(posts: list[Post]) -> list[str]:
    """The last part of each post's id."""
    return [post.id.rpartition("/")[2] for post in posts]

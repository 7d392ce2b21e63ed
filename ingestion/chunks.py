"""Group posts as they come: a full chunk at once, a partial one after a short silence."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, Final

from barometer.errors import SourceError
from barometer.posts import Post

CHUNK: Final = 50
"""Posts published together."""
FLUSH_S: Final = 0.25
"""Longest silence before a partial chunk is published, so that a slow live source stays live."""
SILENCE_S: Final = 5.0
"""Silence after which an empty chunk says that the source may have moved past what nobody wants."""


async def chunks(
    posts: AsyncGenerator[Post, None],
    stop: asyncio.Event | None = None,
    *,
    silence_s: float = SILENCE_S,
) -> AsyncGenerator[list[Post], None]:
    """Group posts into chunks of `CHUNK`, or fewer after `FLUSH_S` of silence, none after more.

    Ends with the posts, or when `stop` is set, with what has come by then. What came before a fault
    is passed on before the fault is raised.
    """
    waiting: list[Post] = []
    upcoming: asyncio.Future[Post] | None = None
    stopped = asyncio.ensure_future((stop or asyncio.Event()).wait())
    try:
        while True:
            if upcoming is None:
                upcoming = asyncio.ensure_future(anext(posts))
            either: set[asyncio.Future[Any]] = {upcoming, stopped}
            done, _ = await asyncio.wait(
                either,
                timeout=FLUSH_S if waiting else silence_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if upcoming in done:
                try:
                    waiting.append(upcoming.result())
                except (StopAsyncIteration, SourceError) as end:
                    if waiting:
                        yield waiting
                    if isinstance(end, SourceError):
                        raise
                    return
                upcoming = None
            if not done or stopped in done or len(waiting) >= CHUNK:
                yield waiting
                waiting = []
            if stopped in done:
                return
    finally:
        stopped.cancel()
        if upcoming is not None and not upcoming.done():
            upcoming.cancel()
            await asyncio.wait({upcoming})
        await posts.aclose()

"""Read one source for one event, once."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from barometer.errors import SourceError
from barometer.events import Event
from barometer.posts import Post
from ingestion.intake import Reading, Taking
from ingestion.source import REFUSED, Source


async def read_source(
    source: Source, event: Event, intake: Taking, within_s: float | None = None
) -> Reading:
    """Read `source` for `event` to its end; a fault of the source is noted in the reading.

    A source that asked to be left alone is left alone. One that has not ended after `within_s`
    seconds is stopped, and read on the next time; that it gave nothing until then is a fault.

    Raises:
        BrokerError: the stream stays away.
    """
    reading = Reading(source.name, event.slug)
    until = await asyncio.to_thread(intake.limited_until, source.name, event.slug)
    if until:
        reading.error, reading.until = f"is left alone until {until:%Y-%m-%d %H:%M:%S} UTC", until
        return reading
    position = await asyncio.to_thread(intake.position_of, source.name, event.slug)
    refused = position.get(REFUSED, 0)
    posts = source.read(event, position)
    if within_s:
        posts = _within(within_s, posts, reading)
    await intake.take(reading, posts, position)
    reading.rejected += position.get(REFUSED, 0) - refused
    return reading


async def _within(
    seconds: float, posts: AsyncGenerator[Post, None], reading: Reading
) -> AsyncGenerator[Post, None]:
    """The posts that come in so many seconds, one for one: the position runs past no other."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + seconds
    came = False
    async with contextlib.aclosing(posts):
        while not reading.unfinished:
            try:
                async with asyncio.timeout_at(ends):
                    post = await anext(posts)
            except StopAsyncIteration:
                return
            except TimeoutError:
                reading.unfinished = True
            else:
                came = True
                yield post
                reading.unfinished = loop.time() >= ends
    if not came:
        raise SourceError(f"{reading.source}: gave nothing within {seconds:g} s.")

"""Read one source for one event into the stream, and save where it stands afterwards."""

import asyncio
import contextlib
import copy
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

import stamina
import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from barometer.errors import InputError, SourceError
from barometer.events import Event, tracked, with_events
from barometer.posts import Post
from barometer.redis_server import REDIS_FAULTS
from barometer.source_states import position_of, save_reading
from barometer.stream import PostStream
from ingestion.cleaning import clean_found, clean_posted
from ingestion.source import Source

log = structlog.get_logger()
CHUNK = 50
"""Posts published together."""
FLUSH_S = 0.25
"""Longest silence before a partial chunk is published, so that a slow live source stays live."""
REDIS_WAIT_S = 120.0
SAVE_EVERY_S = 5.0
"""How often the position of a reading that does not end is saved."""


@dataclass
class Reading:
    """What one reading brought."""

    source: str
    event: str
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    error: str | None = None


async def read_source(source: Source, event: Event, stream: PostStream, engine: Engine) -> Reading:
    """Read `source` for `event` to its end; a fault of the source is noted in the reading.

    The position is saved only after the stream has taken the posts that it covers.

    Raises:
        RedisError: Redis stays away for `REDIS_WAIT_S`.
    """
    reading = Reading(source.name, event.slug)
    missing = source.missing_setting()
    if missing:
        reading.error = f"needs {missing}"
        return reading
    position = await asyncio.to_thread(position_of, engine, source.name, event.slug)
    events = await asyncio.to_thread(tracked, engine)
    saved_at = 0.0
    unsaved = 0

    async def save() -> None:
        nonlocal saved_at, unsaved
        state = (engine, source.name, event.slug, copy.deepcopy(position))
        await asyncio.to_thread(save_reading, *state, posts=unsaved, error=reading.error)
        saved_at, unsaved = asyncio.get_running_loop().time(), 0

    try:
        async with contextlib.aclosing(_chunks(source.read(event, position))) as chunks:
            async for chunk in chunks:
                cleaned = _accept(chunk, reading)
                about = [p.model_copy(update={"events": (event.slug, *p.events)}) for p in cleaned]
                posts = [with_events(post, events) for post in about]
                new = await asyncio.to_thread(_publish, stream, posts)
                reading.accepted += sum(new)
                reading.duplicates += len(new) - sum(new)
                unsaved += sum(new)
                if asyncio.get_running_loop().time() - saved_at > SAVE_EVERY_S:
                    await save()
    except SourceError as error:
        reading.error = str(error)
        log.warning("source failed", source=source.name, about=event.slug, reason=str(error))
    await save()
    return reading


def _accept(chunk: Sequence[Post], reading: Reading) -> list[Post]:
    posts, refused = clean_found(chunk)
    reading.rejected += len(refused)
    for error in refused:
        log.info("post refused", source=reading.source, reason=str(error))
    return posts


def _publish(stream: PostStream, posts: Sequence[Post]) -> list[bool]:
    """Publish, waiting a while for a Redis that is away: the posts are in nobody else's hands."""
    for attempt in stamina.retry_context(
        on=REDIS_FAULTS, attempts=None, timeout=REDIS_WAIT_S, wait_max=5.0
    ):
        with attempt:
            return stream.publish(posts)
    raise AssertionError("the last attempt raises")


async def _chunks(posts: AsyncGenerator[Post, None]) -> AsyncGenerator[list[Post], None]:
    """Group posts into chunks: a full one at once, a partial one after `FLUSH_S` of silence.

    What came before a fault is passed on before the fault is raised.
    """
    waiting: list[Post] = []
    upcoming: asyncio.Future[Post] | None = None
    try:
        while True:
            if upcoming is None:
                upcoming = asyncio.ensure_future(anext(posts))
            done, _ = await asyncio.wait({upcoming}, timeout=FLUSH_S if waiting else None)
            if done:
                try:
                    waiting.append(upcoming.result())
                except (StopAsyncIteration, SourceError) as end:
                    if waiting:
                        yield waiting
                    if isinstance(end, SourceError):
                        raise
                    return
                upcoming = None
            if waiting and (not done or len(waiting) >= CHUNK):
                yield waiting
                waiting = []
    finally:
        if upcoming is not None and not upcoming.done():
            upcoming.cancel()
            await asyncio.wait({upcoming})
        await posts.aclose()


def publish_posted(
    raw_posts: Sequence[dict[str, object]], stream: PostStream, engine: Engine
) -> tuple[int, int, list[dict[str, object]]]:
    """Take posts that were sent over HTTP: (accepted, duplicates, rejected with index and reason).

    Accepted means that the stream has them.
    """
    events = tracked(engine)
    posts: list[Post] = []
    rejected: list[dict[str, object]] = []
    for index, raw in enumerate(raw_posts):
        try:
            posts.append(with_events(clean_posted(raw), events))
        except InputError as error:
            rejected.append({"index": index, "reason": str(error)})
    new = stream.publish(posts)
    try:
        save_reading(engine, "http", "", {}, posts=sum(new))
    except (
        SQLAlchemyError
    ) as error:  # bookkeeping: the stream has the posts, and that is the answer
        log.warning("posted items are not counted", reason=type(error).__name__)
    return sum(new), len(new) - sum(new), rejected
